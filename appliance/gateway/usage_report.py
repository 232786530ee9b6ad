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
    partial: bool = False
    """What was asked is counted, what was answered not yet: the stream broke off before its last word."""


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
    return usage_in(told) if isinstance(told, dict) else None


def usage_in(told: dict[str, Any], *, partial: bool = False) -> Usage | None:
    """The counts in a `usage` object, in whichever of the three ways of saying it.

    Chat: prompt_tokens, completion_tokens. Responses, pictures and sound: input_tokens, output_tokens. Anthropic's
    messages: the same names, but what was read from or written to the cache comes on top of input_tokens. Rerankers
    say total_tokens alone. A length in seconds is a report as well, of no tokens.
    """
    prompt, completion = told.get("prompt_tokens"), told.get("completion_tokens")
    if prompt is None and completion is None:
        if "input_tokens" in told or "output_tokens" in told:
            return _usage_in_out(told, partial)
        prompt = told.get("total_tokens")
    details = told.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    asked, answered, read = _count(prompt), _count(completion), _count(cached)
    return None if asked is None or answered is None or read is None else Usage(asked, answered, read)


def _usage_in_out(told: dict[str, Any], partial: bool) -> Usage | None:
    details = told.get("input_tokens_details")
    if isinstance(details, dict):
        read, written = details.get("cached_tokens"), None
    else:
        read, written = told.get("cache_read_input_tokens"), told.get("cache_creation_input_tokens")
    asked, answered, cached, stored = map(_count, (told.get("input_tokens"), told.get("output_tokens"), read, written))
    if asked is None or answered is None or cached is None or stored is None:
        return None
    if not isinstance(details, dict):
        asked = min(asked + cached + stored, COUNT_LIMIT)
    return Usage(asked, answered, cached, partial)


def _count(told: Any) -> int | None:
    if told is None:
        return 0
    if type(told) is int and 0 <= told <= COUNT_LIMIT:
        return told
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= COUNT_LIMIT or told != int(told):
        return None
    return int(told)


def _is_there(raw: msgspec.Raw) -> bool:
    return bytes(raw) not in (b"", b"null")
