"""A request's members by name, so that what cannot be told in other words is refused by its name (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from appliance.providers.call import Call, CannotTranslate


@dataclass(frozen=True, slots=True, repr=False)
class Member:
    """A value and where it stands: `messages.0.content.1.type`. Every reader raises CannotTranslate with that place."""

    value: Any
    place: str

    def refused(self, why: str) -> CannotTranslate:
        return CannotTranslate(f"The member {self.place} {why}", self.place)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.refused("must be a string.")
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.refused("must be true or false.")
        return self.value

    def count(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 0:
            raise self.refused("must be a whole number.")
        return self.value

    def number(self) -> int | float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.refused("must be a number.")
        return self.value

    def object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.refused("must be an object.")
        return self.value

    def items(self) -> list[Member]:
        if not isinstance(self.value, list):
            raise self.refused("must be a list.")
        return [Member(each, f"{self.place}.{number}") for number, each in enumerate(self.value)]

    def members(self) -> Members:
        return Members({name: Member(each, f"{self.place}.{name}") for name, each in self.object().items()}, self.place)

    def one_of(self, *words: str) -> str:
        word = self.text()
        if word not in words:
            raise self.refused(f"cannot be {word[:64]!r} here; what can be put to this model is: {', '.join(words)}.")
        return word


class Members:
    """An object's members. Null is the same as absent. Each is taken once; `refuse_others` names the first left over.

    `place` is the object's own, empty for the whole request.
    """

    def __init__(self, members: Mapping[str, Member], place: str = "") -> None:
        self._members = {name: each for name, each in members.items() if each.value is not None}
        self._place = place

    def take(self, name: str) -> Member | None:
        return self._members.pop(name, None)

    def need(self, name: str) -> Member:
        found = self.take(name)
        if found is None:
            place = f"{self._place}.{name}" if self._place else name
            raise CannotTranslate(f"The member {place} is missing.", place)
        return found

    def drop(self, *names: str) -> None:
        """Hints that change nothing of an answer: who may, heeds them."""
        for name in names:
            self._members.pop(name, None)

    def take_all(self, *names: str) -> Iterator[tuple[str, Member]]:
        for name in names:
            found = self.take(name)
            if found is not None:
                yield name, found

    def refuse_others(self) -> None:
        for each in self._members.values():
            raise each.refused("cannot be put to this model: its server speaks chat completions only.")


def members_of(call: Call) -> Members:
    """Raises CannotTranslate for a member that is not text as JSON has it."""
    members = {}
    for name, raw in call.members.items():
        try:
            members[name] = Member(msgspec.json.decode(raw), name)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise CannotTranslate(f"The member {name[:64]} is not valid JSON.", name[:64]) from exc
    return Members(members)


def chat_call(call: Call, members: Mapping[str, Any]) -> Call:
    """The same call as chat, its usage asked for and shown: what turns the answer back tells it in its own way."""
    options = {"stream": True, "stream_options": {"include_usage": True}} if call.stream else {}
    try:
        raw = {name: msgspec.Raw(msgspec.json.encode(each)) for name, each in {**members, **options}.items()}
    except (UnicodeEncodeError, ValueError, RecursionError) as exc:
        raise CannotTranslate("The request holds text that is not valid Unicode.", "messages") from exc
    return Call("chat/completions", call.model, raw, call.stream, wants_usage=call.stream, at=call.at)
