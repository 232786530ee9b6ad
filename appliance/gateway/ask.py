"""What a call may use up, as far as its own words tell: reserved before it goes, settled when it is over. Pure.

No tokenizer: four bytes of a request are taken for one token, as wherever nobody reports a count. What a call bounds by
itself (`max_tokens` and its like, for each choice) it is believed; one that bounds nothing reserves UNBOUNDED_TOKENS,
and has to find room for its prompt only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.access.account import LARGEST_CALL, Ask
from appliance.config.policy import Price
from appliance.providers.call import Call

UNBOUNDED_TOKENS: Final = 1024
NOTHING: Final = Ask()

_BOUNDS: Mapping[str, tuple[str, ...]] = {
    "chat/completions": ("max_completion_tokens", "max_tokens"),
    "completions": ("max_tokens",),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
}
_number = msgspec.json.Decoder(int)


def ask_of(call: Call, prompt_tokens: int, price: Price | None) -> Ask:
    """`price` is that of the dearest deployment that may answer."""
    if call.endpoint not in _BOUNDS:
        return Ask(prompt_tokens, 0, True, cost_of(price, prompt_tokens, 0))
    bound = _bound(call)
    output = min((UNBOUNDED_TOKENS if bound is None else bound) * call.choices, LARGEST_CALL)
    return Ask(prompt_tokens, output, bound is not None, cost_of(price, prompt_tokens, output))


def cost_of(price: Price | None, prompt_tokens: int, output_tokens: int) -> int:
    """In millionths of the config's currency: a price for a million tokens is what one token costs in these."""
    if price is None:
        return 0
    return min(math.ceil(price.input * prompt_tokens + price.output * output_tokens), LARGEST_CALL)


def dearest(prices: tuple[Price | None, ...]) -> Price | None:
    known = [price for price in prices if price is not None]
    return Price(max(each.input for each in known), max(each.output for each in known)) if known else None


def _bound(call: Call) -> int | None:
    for name in _BOUNDS[call.endpoint]:
        if (written := call.members.get(name)) is not None:
            try:
                number = _number.decode(written)
            except msgspec.DecodeError:
                continue  # null, or no number: then it is the upstream's to refuse
            return min(max(0, number), LARGEST_CALL)
    return None
