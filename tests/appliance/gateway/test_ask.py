"""What a call may use up is read from its own words, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.access.account import LARGEST_CALL, Ask
from appliance.config.policy import Price
from appliance.gateway.ask import UNBOUNDED_TOKENS, ask_of, cost_of, dearest
from appliance.gateway.request import parse_call


def asked(endpoint: str = "chat/completions", price: Price | None = None, **members: Any) -> Ask:
    return ask_of(parse_call(endpoint, json.dumps({"model": "m", **members}).encode()), 10, price)


@pytest.mark.parametrize(
    ("endpoint", "members", "output", "bounded"),
    [
        ("chat/completions", {}, UNBOUNDED_TOKENS, False),
        ("chat/completions", {"max_tokens": 7}, 7, True),
        ("chat/completions", {"max_completion_tokens": 9, "max_tokens": 7}, 9, True),
        ("chat/completions", {"max_tokens": 7, "n": 3}, 21, True),
        ("chat/completions", {"max_tokens": None, "n": 3}, 3 * UNBOUNDED_TOKENS, False),
        ("chat/completions", {"max_tokens": "many"}, UNBOUNDED_TOKENS, False),
        ("chat/completions", {"max_tokens": -4}, 0, True),
        ("chat/completions", {"max_tokens": 10**30}, LARGEST_CALL, True),
        ("completions", {"max_tokens": 7}, 7, True),
        ("responses", {"max_output_tokens": 7, "max_tokens": 9}, 7, True),
        ("messages", {"max_tokens": 7}, 7, True),
        ("embeddings", {"max_tokens": 7}, 0, True),
    ],
)
def test_what_a_call_bounds_is_what_it_reserves(
    endpoint: str, members: dict[str, Any], output: int, bounded: bool
) -> None:
    found = asked(endpoint, **members)
    assert (found.prompt, found.output, found.bounded) == (10, output, bounded)


def test_cost_is_that_of_the_dearest_deployment_that_may_answer() -> None:
    price = dearest((Price(1.0, 9.0), None, Price(2.0, 3.0)))
    assert price == Price(2.0, 9.0)
    assert asked(price=price, max_tokens=7).cost == 10 * 2 + 7 * 9
    assert (dearest((None,)), asked(max_tokens=7).cost, cost_of(Price(0.25, 0), 3, 0)) == (None, 0, 1)
