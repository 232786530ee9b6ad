"""What an upstream says of its own use, read generously: a count in an odd shape is no count, never a broken answer.

Nobody's count is believed beyond COUNT_LIMIT: the meter must neither run backwards nor overflow on one reply.
"""

from __future__ import annotations

from typing import Any

import msgspec

COUNT_LIMIT = 2**40

_ABSENT = msgspec.Raw()


class Usage(msgspec.Struct, frozen=True):
    """An upstream's own count. Absent members are zero, and an explicit zero is a count like any other."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class WireChoice(msgspec.Struct):
    index: msgspec.Raw = _ABSENT
    finish_reason: msgspec.Raw = _ABSENT

    @property
    def finished(self) -> bool:
        return _is_there(self.finish_reason)


class WireReply(msgspec.Struct):
    """The few members of a reply, or of one frame of it, that the gateway looks at."""

    usage: msgspec.Raw = _ABSENT
    choices: msgspec.Raw = _ABSENT
    error: msgspec.Raw = _ABSENT

    @property
    def failed(self) -> bool:
        return _is_there(self.error)

    def choices_or_none(self) -> list[WireChoice]:
        try:
            return _choices.decode(self.choices) or []
        except msgspec.DecodeError:
            return []


_reply = msgspec.json.Decoder(WireReply)
_choices: msgspec.json.Decoder[list[WireChoice] | None] = msgspec.json.Decoder(list[WireChoice] | None)


def reply_in(body: bytes) -> WireReply:
    """Raises msgspec.DecodeError where the bytes are not a JSON object."""
    return _reply.decode(body)


def usage_of(reply: WireReply) -> Usage | None:
    """The usage that a reply reports; None where it reports none that could be one."""
    try:
        told = msgspec.json.decode(reply.usage)
    except msgspec.DecodeError:
        return None
    if not isinstance(told, dict):
        return None
    details = told.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    counts = [_count(each) for each in (told.get("prompt_tokens"), told.get("completion_tokens"), cached)]
    return None if None in counts else Usage(*(each or 0 for each in counts))


def _count(told: Any) -> int | None:
    if told is None:
        return 0
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= COUNT_LIMIT or told != int(told):
        return None
    return int(told)


def _is_there(raw: msgspec.Raw) -> bool:
    return bytes(raw) not in (b"", b"null")
