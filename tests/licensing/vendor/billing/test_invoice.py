"""A price is a decimal, an amount is rounded once, and what has no price is listed and costs nothing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.usage import Counts
from licensing.vendor.billing.invoice import Item, amount_of, draft
from licensing.vendor.billing.rate_card import RateCard, read_rate_card
from licensing.vendor.billing.totals import Line
from licensing.vendor.errors import RateCardRefused

CARD = b"""\
kind: rate-card
schema: 1
name: Standard
currency: EUR
decimals: 2
valid_from: 2027-01-01
valid_until: 2027-04-01
rates:
  - models: "acme-*"
    per_request: "0.0001"
    per_million_prompt_tokens: "1.20"
    per_million_completion_tokens: "3.60"
    per_million_cached_tokens: "0.12"
  - models: "*-large"
    per_million_prompt_tokens: "2"
"""
DAY = date(2027, 3, 1)


def card(text: bytes = CARD) -> RateCard:
    return read_rate_card(text, "rates.yaml")


def line(model: str = "acme-large", day: date = DAY, site: str = "plant-7", **counts: int) -> Line:
    return Line(site, day, "o", "t", model, Counts(**counts))


def amounts(items: tuple[Item, ...]) -> dict[str, str]:
    return {item.what: str(item.amount) for item in items}


def test_cached_tokens_are_priced_in_place_of_prompt_tokens() -> None:
    made = draft(
        [line(requests=1000, prompt_tokens=3_000_000, cached_tokens=1_000_000, completion_tokens=500_000)], card()
    )
    assert amounts(made.items) == {
        "requests": "0.10",
        "prompt tokens": "2.40",
        "cached prompt tokens": "0.12",
        "completion tokens": "1.80",
    }
    assert made.total == Decimal("4.42")


def test_the_first_rate_that_fits_is_the_rate() -> None:
    made = draft([line("acme-large", prompt_tokens=10**6), line("other-large", prompt_tokens=10**6)], card())
    assert [(item.model, item.amount) for item in made.items] == [
        ("acme-large", Decimal("1.20")),
        ("other-large", Decimal("2.00")),
    ]


def test_without_a_price_for_cached_tokens_they_cost_what_prompt_tokens_cost() -> None:
    made = draft([line("b-large", prompt_tokens=10**6, cached_tokens=400_000)], card())
    assert amounts(made.items) == {"prompt tokens": "1.20", "cached prompt tokens": "0.80"}


@pytest.mark.parametrize("day", [date(2026, 12, 31), date(2027, 4, 1)])
def test_outside_its_dates_a_card_prices_nothing(day: date) -> None:
    made = draft([line(day=day, requests=5), line(day=date(2027, 3, 31), requests=100)], card())
    assert [each.day for each in made.unpriced] == [day]
    assert [item.quantity for item in made.items] == [100]


def test_a_model_without_a_rate_is_listed_and_costs_nothing() -> None:
    made = draft([line("unknown", requests=5)], card())
    assert (made.items, made.total, [each.model for each in made.unpriced]) == ((), Decimal("0.00"), ["unknown"])


def test_estimated_tokens_cost_nothing_unless_the_card_says_so() -> None:
    used = [line(requests=1, estimated_prompt_tokens=10**6, estimated_completion_tokens=10**6)]
    assert amounts(draft(used, card()).items) == {"requests": "0.00"}
    billed = card(CARD.replace(b"rates:", b"estimated_tokens: billed\nrates:"))
    assert draft(used, billed).total == Decimal("4.80")


def test_the_lines_of_an_invoice_add_up_on_paper() -> None:
    made = draft([line(site=f"site-{number}", requests=44) for number in range(10)], card())
    assert {item.amount for item in made.items} == {Decimal("0.00")}, "44 × 0.0001 is 0.0044, which rounds to nothing"
    assert made.total == sum(item.amount for item in made.items) == 0
    assert made.total_of("site-3") == Decimal("0.00")


@pytest.mark.parametrize(
    ("quantity", "price", "decimals", "amount"),
    [
        (50, "0.0001", 2, "0.01"),
        (49, "0.0001", 2, "0.00"),
        (25, "0.1", 0, "3"),
        (10**18, "999999999999.999999999999", 2, "999999999999999999999999000000.00"),
    ],
)
def test_half_is_rounded_away_from_zero(quantity: int, price: str, decimals: int, amount: str) -> None:
    assert str(amount_of(quantity, 1, Decimal(price), decimals)) == amount


@given(st.integers(0, 2**62), st.integers(0, 10**24), st.sampled_from([1, 10**6]), st.integers(0, 6))
def test_an_amount_is_the_exact_one_to_half_a_unit(quantity: int, price: int, per: int, decimals: int) -> None:
    exact = Fraction(quantity * price, per * 10**12)
    found = Fraction(amount_of(quantity, per, Decimal(price).scaleb(-12), decimals))
    assert -Fraction(1, 2) < (exact - found) * 10**decimals <= Fraction(1, 2) or found - exact == Fraction(
        1, 2 * 10**decimals
    )
    assert (found * 10**decimals).denominator == 1


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (b'"1.20"', b"1.20", "line 11"),
        (b'"1.20"', b'"-1.20"', "line 11"),
        (b'"1.20"', b'"1e3"', "line 11"),
        (b"2027-04-01", b"2027-01-01", "line 7"),
        (b"2027-04-01", b"2027-02-30", "line 7"),
        (b"EUR", b"Euro", "line 4"),
        (b"decimals: 2", b"decimals: 9", "line 5"),
        (b"    per_request", b"    per_call", "line 10"),
        (b"schema: 1", b"schema: 2", "line 2"),
        (b"name: Standard\n", b"", "line 1"),
        (b"currency: EUR", b"currency: !x EUR", "line 4"),
    ],
)
def test_a_card_that_makes_no_prices_is_refused_with_its_place(old: bytes, new: bytes, where: str) -> None:
    with pytest.raises(RateCardRefused) as refused:
        card(CARD.replace(old, new))
    assert refused.value.where is not None
    assert refused.value.where.startswith(f"rates.yaml, {where}")
    assert refused.value.exit_code == 97
