"""A draft of an invoice: accepted quantities times a rate card.

Promise: pure and exact. Quantities are whole numbers and prices are decimals; each amount is computed without rounding
and then rounded once, half away from zero, to the card's decimals; a total is the sum of the rounded amounts, so that
the lines add up on paper. What no rate fits, or no date of the card, is listed with its quantities and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Final

from licensing.usage import Counts
from licensing.vendor.billing.rate_card import Rate, RateCard
from licensing.vendor.billing.totals import Line, summed

MILLION: Final = Decimal(1_000_000)
_EXACT: Final = Context(prec=80)
"""Counts have 19 digits, prices 24: no product of theirs is ever rounded by arithmetic."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an invoice: `quantity` times `price` per `per` (1, or a million)."""

    site: str
    model: str
    what: str
    quantity: int
    per: int
    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Invoice:
    """The items by site and model, the total, and the lines to which no price applies."""

    card: RateCard
    items: tuple[Item, ...]
    unpriced: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        with localcontext(_EXACT):
            return sum((item.amount for item in self.items), Decimal(0).scaleb(-self.card.decimals))

    def total_of(self, site: str) -> Decimal:
        with localcontext(_EXACT):
            zero = Decimal(0).scaleb(-self.card.decimals)
            return sum((item.amount for item in self.items if item.site == site), zero)


def draft(lines: Iterable[Line], card: RateCard) -> Invoice:
    """The invoice over these lines. Days on which the card does not hold are left unpriced."""
    priced: list[Line] = []
    unpriced: list[Line] = []
    rates: dict[str, Rate] = {}
    for line in lines:
        if (rate := card.rate_for(line.model, line.day)) is None:
            unpriced.append(line)
        else:
            priced.append(line)
            rates[line.model] = rate
    items: list[Item] = []
    for (site, model), counts in sorted(summed(priced, lambda line: (line.site, line.model)).items()):
        items.extend(_items(site, model, counts, rates[model], card))
    return Invoice(card, tuple(items), tuple(unpriced))


def _items(site: str, model: str, counts: Counts, rate: Rate, card: RateCard) -> list[Item]:
    """Cached tokens are part of the prompt tokens, and priced in their place."""
    cached = min(counts.cached_tokens, counts.prompt_tokens)
    estimated = int(card.bills_estimates)
    quantities = (
        ("requests", counts.requests, 1, rate.request),
        (
            "prompt tokens",
            counts.prompt_tokens - cached + estimated * counts.estimated_prompt_tokens,
            1_000_000,
            rate.prompt,
        ),
        ("cached prompt tokens", cached, 1_000_000, rate.cached),
        (
            "completion tokens",
            counts.completion_tokens + estimated * counts.estimated_completion_tokens,
            1_000_000,
            rate.completion,
        ),
    )
    return [
        Item(site, model, what, quantity, per, price, amount_of(quantity, per, price, card.decimals))
        for what, quantity, per, price in quantities
        if quantity and price
    ]


def amount_of(quantity: int, per: int, price: Decimal, decimals: int) -> Decimal:
    """`quantity / per * price`, rounded half away from zero to so many decimals."""
    with localcontext(_EXACT):
        return (quantity * price / per).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
