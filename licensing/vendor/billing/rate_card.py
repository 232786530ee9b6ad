"""What usage costs: a rate card, read from strict YAML.

    kind: rate-card
    schema: 1
    name: Standard 2027
    currency: EUR
    decimals: 2                      # to which every amount is rounded
    valid_from: "2027-01-01"
    valid_until: "2028-01-01"        # exclusive; may be left out
    estimated_tokens: not_billed     # or billed, at the same price
    rates:                           # the first whose pattern fits a model is its rate
      - models: "acme-*"
        per_request: "0.0001"
        per_million_prompt_tokens: "1.20"
        per_million_completion_tokens: "3.60"
        per_million_cached_tokens: "0.12"

Prices are decimals in quotes, because a YAML number is binary and 0.1 is not one tenth. A price that is left out is
nothing, except that of cached tokens, which is then that of prompt tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from licensing.document import first_fault
from licensing.licence import Pattern
from licensing.vendor.errors import RateCardRefused
from media.errors import YamlRefused
from media.strict_yaml import load

_NOTHING = Decimal(0)
_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _price(text: object) -> Decimal:
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError('a price must look like "0.25", in quotes')
    return Decimal(text)


def _day(text: object) -> date:
    if not isinstance(text, str) or not _DAY.fullmatch(text):
        raise ValueError("a day must look like 2027-01-31")
    return date.fromisoformat(text)


Price = Annotated[Decimal, BeforeValidator(_price)]
Day = Annotated[date, BeforeValidator(_day)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _RatePart(_Part):
    models: Pattern
    per_request: Price | None = None
    per_million_prompt_tokens: Price | None = None
    per_million_completion_tokens: Price | None = None
    per_million_cached_tokens: Price | None = None


class _CardPart(_Part):
    kind: Literal["rate-card"]
    schema_version: Literal[1] = Field(alias="schema")
    name: str = Field(min_length=1, max_length=128)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    decimals: int = Field(ge=0, le=6)
    valid_from: Day
    valid_until: Day | None = None
    estimated_tokens: Literal["billed", "not_billed"] = "not_billed"
    rates: list[_RatePart] = Field(min_length=1, max_length=1000)


@dataclass(frozen=True, slots=True)
class Rate:
    """Prices for the models that the pattern fits; per request, and per million tokens."""

    models: str
    request: Decimal
    prompt: Decimal
    completion: Decimal
    cached: Decimal


@dataclass(frozen=True, slots=True)
class RateCard:
    """`bills_estimates`: whether tokens that were only estimated cost what reported ones cost."""

    name: str
    currency: str
    decimals: int
    valid_from: date
    valid_until: date | None
    bills_estimates: bool
    rates: tuple[Rate, ...]

    def rate_for(self, model: str, day: date) -> Rate | None:
        """The first rate whose pattern fits, on a day on which the card holds."""
        if day < self.valid_from or (self.valid_until is not None and day >= self.valid_until):
            return None
        return next((rate for rate in self.rates if fnmatchcase(model, rate.models)), None)


def read_rate_card(data: bytes, file: str) -> RateCard:
    """The card in these bytes. Raises RateCardRefused, naming the place in `file`."""
    try:
        document = load(data)
    except YamlRefused as error:
        raise RateCardRefused(error.message, where=f"{file}, {error.where}") from error
    try:
        part = _CardPart.model_validate(document.value)
    except ValidationError as error:
        place = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
        raise RateCardRefused(
            f"This is no rate card: {first_fault(error)}.", where=f"{file}, {document.where(place)}"
        ) from error
    if part.valid_until is not None and part.valid_until <= part.valid_from:
        raise RateCardRefused(
            "The rate card ends before it begins.", where=f"{file}, {document.where(('valid_until',))}"
        )
    return RateCard(
        name=part.name,
        currency=part.currency,
        decimals=part.decimals,
        valid_from=part.valid_from,
        valid_until=part.valid_until,
        bills_estimates=part.estimated_tokens == "billed",
        rates=tuple(map(_rate, part.rates)),
    )


def _rate(part: _RatePart) -> Rate:
    prompt = part.per_million_prompt_tokens or _NOTHING
    return Rate(
        models=part.models,
        request=part.per_request or _NOTHING,
        prompt=prompt,
        completion=part.per_million_completion_tokens or _NOTHING,
        cached=prompt if part.per_million_cached_tokens is None else part.per_million_cached_tokens,
    )
