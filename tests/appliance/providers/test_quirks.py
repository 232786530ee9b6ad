"""Each quirk does what its name says, and makes nothing else of a request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.config.model import Deployment
from appliance.gateway.request import parse_call
from appliance.providers.call import CannotTranslate
from appliance.providers.openai_rows import openai_wires
from appliance.providers.row import ProviderRow, Quirk
from tests.appliance.providers.sent import body_of


def sent(quirk: Quirk, endpoint: str = "chat/completions", **body: Any) -> dict[str, Any]:
    row = ProviderRow("r", "R", "https://h.example/v1", "bearer", "openai", quirks=(quirk,))
    deployment = Deployment("a#0", "a", "r", "m", "https://h.example/v1", None, (), row)
    call = parse_call(endpoint, json.dumps({"model": "a", **body}).encode())
    told: dict[str, Any] = json.loads(body_of(openai_wires(row)[endpoint].request(call, deployment, None)))
    return told


@pytest.mark.parametrize(
    ("quirk", "given", "told"),
    [
        ("max_tokens", {"max_completion_tokens": 5}, {"max_tokens": 5}),
        ("max_tokens", {"max_completion_tokens": 5, "max_tokens": 9}, {"max_tokens": 5}),
        ("max_tokens", {"max_completion_tokens": None, "max_tokens": 9}, {"max_tokens": 9}),
        ("max_tokens", {"max_tokens": 9}, {"max_tokens": 9}),
        ("max_completion_tokens", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("max_completion_tokens", {"max_completion_tokens": 4, "max_tokens": 5}, {"max_completion_tokens": 4}),
        ("no_stream_options", {"stream": True}, {"stream": True}),
        ("no_stream_options", {"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ("no_usage_in_stream", {"stream": True}, {"stream": True}),
        ("one_choice", {"n": 1}, {}),
        ("system_for_developer", {"messages": [{"role": "developer"}]}, {"messages": [{"role": "system"}]}),
        (
            "system_for_developer",
            {"messages": [{"role": "user", "content": "developer"}]},
            {"messages": [{"role": "user", "content": "developer"}]},
        ),
        ("system_for_developer", {"messages": "developer"}, {"messages": "developer"}),
        ("any_for_required", {"tool_choice": "required"}, {"tool_choice": "any"}),
        ("any_for_required", {"tool_choice": "auto"}, {"tool_choice": "auto"}),
        ("auto_tool_choice", {"tool_choice": "auto"}, {}),
        ("random_seed", {"seed": 3}, {"random_seed": 3}),
        ("no_json_schema", {"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        ("no_strict_tools", {"tools": [{"strict": False}]}, {"tools": [{"strict": False}]}),
    ],
)
def test_what_means_the_same_is_said_in_the_providers_way(
    quirk: Quirk, given: dict[str, Any], told: dict[str, Any]
) -> None:
    assert sent(quirk, **given) == {"model": "m", **told}


@pytest.mark.parametrize(
    ("quirk", "given", "param"),
    [
        (
            "no_usage_in_stream",
            {"stream": True, "stream_options": {"include_usage": True}},
            "stream_options.include_usage",
        ),
        ("one_choice", {"n": 2}, "n"),
        ("auto_tool_choice", {"tool_choice": "required"}, "tool_choice"),
        ("auto_tool_choice", {"tool_choice": {"type": "function"}}, "tool_choice"),
        ("no_json_schema", {"response_format": {"type": "json_schema"}}, "response_format"),
        ("no_strict_tools", {"tools": [{"function": {"strict": True}}]}, "tools"),
    ],
)
def test_what_would_not_be_done_is_refused_by_name(quirk: Quirk, given: dict[str, Any], param: str) -> None:
    with pytest.raises(CannotTranslate) as caught:
        sent(quirk, **given)
    assert caught.value.param == param


def test_a_quirk_of_chat_leaves_other_calls_alone() -> None:
    assert sent("max_tokens", "embeddings", max_completion_tokens=5) == {"model": "m", "max_completion_tokens": 5}
