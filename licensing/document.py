"""What every signed body has in common: its kind, schema, serial, date of issue, and how it becomes bytes and back.

`Verified[T]` is what opening a document returns. A function that needs a believed document asks for that type, so that
unverified claims cannot reach it. Nothing here reads a clock.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError

from licensing.envelope import VerifiedBody, a_kind
from licensing.errors import Malformed, WrongKind
from licensing.shown import shown
from licensing.strict_json import canonical, load_object

PAYLOAD_TYPES = MappingProxyType(
    {
        kind: f"application/vnd.ao.{kind}.v1+json"
        for kind in ("trust", "licence", "receipt", "time", "usage", "site-request", "release")
    }
    | {"config": "application/vnd.ao.config.v1+yaml"}
)

EARLIEST_YEAR = 2000
_YEARS = (EARLIEST_YEAR, 9000)
"""Far from the ends of the calendar, so that adding days of grace or tolerance to any date in a document is defined."""

# The hour 24 is left out because some versions of Python take it for the next day's first.
_RFC3339_Z = re.compile(r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}Z", re.ASCII)


def parse_time(text: object) -> datetime:
    """A time as all documents write it: RFC 3339 in UTC, whole seconds, ending in Z. Raises ValueError."""
    if isinstance(text, datetime) and text.tzinfo is UTC:
        return text
    if not isinstance(text, str) or not _RFC3339_Z.fullmatch(text):
        raise ValueError("a time must look like 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a time must be a date and hour that exist") from None
    if not _YEARS[0] <= moment.year < _YEARS[1]:
        raise ValueError(f"a time must lie between the years {_YEARS[0]} and {_YEARS[1]}")
    return moment


def format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_bytes(text: object) -> bytes:
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise ValueError("bytes must be written as base64")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise ValueError("bytes must be written as base64") from exc
    if _format_bytes(data) != text:
        raise ValueError("bytes must be written as base64 in its canonical spelling")
    return data


def _format_bytes(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


Timestamp = Annotated[datetime, PlainValidator(parse_time), PlainSerializer(format_time)]
KeyBytes = Annotated[bytes, BeforeValidator(_parse_bytes), PlainSerializer(_format_bytes)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**62)]
Name = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+$")
]
SiteId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,62}$")]


class Claims(BaseModel):
    """A part of a signed body: frozen, exact types, no unknown members."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class Body(Claims):
    """A whole signed body. `serial` only rises within one issuer's key epoch."""

    KIND: ClassVar[str]

    kind: str
    schema_version: int = Field(alias="schema", ge=1, le=1)
    serial: Count
    issued_at: Timestamp

    @classmethod
    def payload_type(cls) -> str:
        return PAYLOAD_TYPES[cls.KIND]

    def to_bytes(self) -> bytes:
        """The bytes to be signed: canonical JSON, absent optional members left out."""
        return canonical(self.model_dump(mode="json", by_alias=True, exclude_none=True))

    @classmethod
    def from_verified(cls, verified: VerifiedBody) -> Self:
        """The claims in bytes that were verified under this kind's payload type. Raises Malformed, WrongKind."""
        if verified.payload_type != cls.payload_type():
            raise WrongKind(
                f"The document is {a_kind(verified.payload_type)}; {a_kind(cls.payload_type())} was expected."
            )
        return cls.from_mapping(load_object(verified.body))

    @classmethod
    def from_mapping(cls, members: dict[str, Any]) -> Self:
        """The claims in an already parsed object. Raises Malformed naming the member, WrongKind."""
        if members.get("kind") != cls.KIND:
            raise WrongKind(f"The document says it is a {str(members.get('kind'))[:40]!r}, not a {cls.KIND}.")
        if members.get("schema") != 1:
            raise WrongKind(
                f"The {cls.KIND} has schema {str(members.get('schema'))[:10]!r}; this release reads schema 1.",
                remedy="Upgrade the appliance, or ask for a document in schema 1.",
            )
        try:
            return cls.model_validate_json(canonical(members))
        except ValidationError as exc:
            raise Malformed(f"The {cls.KIND} is not well-formed: {first_fault(exc)}.") from exc
        except (RecursionError, TypeError, ValueError) as exc:
            raise Malformed(f"The {cls.KIND} holds something that no {cls.KIND} has.") from exc


def first_fault(error: ValidationError) -> str:
    """One fault of a pydantic report, as 'member: what is wrong', without the offending value."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # The names of members are the sender's, who may be nobody we know.
    place = shown(".".join(str(part) for part in fault["loc"]))
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Verified(Generic[T_co]):
    """Claims whose signatures were checked: by which keys, under which role and key epoch, over which body."""

    claims: T_co
    digest: str
    signers: tuple[str, ...]
    role: str
    key_epoch: int
