"""A request's members, read one level at a time and only as far as somebody asks (pure).

Each member knows its path, so that what cannot be taken is refused by name. What nobody needs to look into (a tool's
schema, its arguments) stays the very bytes that the app wrote. A member that is null counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from appliance.providers.call import CannotTranslate

T = TypeVar("T")

_object: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_bool = msgspec.json.Decoder(bool)
_int = msgspec.json.Decoder(int)
_number: msgspec.json.Decoder[int | float] = msgspec.json.Decoder(int | float)


@dataclass(frozen=True, slots=True, repr=False)
class Member:
    """A value that is not null, and where it stands: `messages[2].content[0].type`."""

    raw: msgspec.Raw
    path: str

    def text(self) -> str:
        return self._as(_text, "a string")

    def flag(self) -> bool:
        return self._as(_bool, "true or false")

    def whole_number(self) -> int:
        return self._as(_int, "a whole number")

    def number(self) -> int | float:
        return self._as(_number, "a number")

    def fields(self) -> Fields:
        members = self._as(_object, "an object")
        return Fields(members, self.path + ".")

    def object_as_it_is(self) -> msgspec.Raw:
        """An object in the bytes that were sent, known to be UTF-8."""
        self.fields()
        try:
            bytes(self.raw).decode()
        except UnicodeDecodeError as exc:
            raise self.refused("is not valid UTF-8.") from exc
        return self.raw

    def items(self) -> list[Member]:
        """The elements of a list; a null among them is refused."""
        raws = self._as(_list, "a list")
        items = [Member(raw, f"{self.path}[{number}]") for number, raw in enumerate(raws)]
        for each in items:
            if bytes(each.raw) == b"null":
                raise each.refused("is null.")
        return items

    @property
    def is_text(self) -> bool:
        return bytes(self.raw)[:1] == b'"'

    def refused(self, why: str) -> CannotTranslate:
        return CannotTranslate(f"The member {self.path} {why}", self.path)

    def _as(self, decoder: msgspec.json.Decoder[T], what: str) -> T:
        try:
            return decoder.decode(self.raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise self.refused(f"is not {what}.") from exc


@dataclass(frozen=True, slots=True, repr=False)
class Fields:
    """The members of one object. `prefix` is its path with a full stop, or nothing for the body itself."""

    members: Mapping[str, msgspec.Raw]
    prefix: str = ""

    def get(self, name: str) -> Member | None:
        raw = self.members.get(name)
        if raw is None or bytes(raw) == b"null":
            return None
        return Member(raw, self.prefix + name)

    def need(self, name: str) -> Member:
        found = self.get(name)
        if found is None:
            raise CannotTranslate(f"The member {self.prefix}{name} is missing.", self.prefix + name)
        return found

    def text(self, name: str) -> str | None:
        found = self.get(name)
        return found.text() if found else None

    def beside(self, *known: str) -> Iterator[Member]:
        """The members that are none of those."""
        for name in self.members:
            if name not in known and (found := self.get(name)) is not None:
                yield found

    def only(self, *known: str) -> None:
        """Refuses the first member that is none of those: what is not understood is not dropped."""
        for each in self.beside(*known):
            raise each.refused("cannot be told to this provider.")
