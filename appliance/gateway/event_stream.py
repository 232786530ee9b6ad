"""Streams whose events have types (messages, responses, sound, pictures), and plain bytes (pure).

What ends a good stream differs by grammar; that event is held back, so that the exchange can be recorded first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from appliance.gateway.dialects.known import Dialect, Telling
from appliance.gateway.frame_cutter import FrameCutter, payload_of
from appliance.gateway.stream import Meter, Relay
from appliance.gateway.usage_report import Usage, usage_in
from appliance.providers.call import Call


@dataclass(frozen=True, slots=True)
class Grammar:
    """`ends` are the types of the last event; those of `failures` are ends that tell a failure.

    `stops`: after its end nothing follows. Where that is not so (several pictures), the last one counts.
    """

    ends: frozenset[str]
    failures: frozenset[str] = frozenset({"error"})
    stops: bool = True


GRAMMARS: Mapping[str, Grammar] = MappingProxyType(
    {
        "messages": Grammar(frozenset({"message_stop"})),
        "responses": Grammar(
            frozenset({"response.completed", "response.incomplete"}), frozenset({"response.failed", "error"})
        ),
        "audio/speech": Grammar(frozenset({"speech.audio.done"}), stops=False),
        "audio/transcriptions": Grammar(frozenset({"transcript.text.done"}), stops=False),
        "audio/translations": Grammar(frozenset({"transcript.text.done"}), stops=False),
        "images/generations": Grammar(frozenset({"image_generation.completed"}), stops=False),
        "images/edits": Grammar(frozenset({"image_edit.completed"}), stops=False),
    }
)


class _Event(msgspec.Struct):
    """The few members of an event that are looked at."""

    type: str = ""
    usage: Any = None
    message: Any = None
    response: Any = None


_event = msgspec.json.Decoder(_Event)


@dataclass(slots=True)
class Events:
    """One stream of typed events."""

    grammar: Grammar
    usage: Usage | None = None
    content_frames: int = 0
    done: bool = False
    failed: bool = False
    number: int = 0
    _end: bytes = field(default=b"", repr=False)
    _counts: dict[str, Any] = field(default_factory=dict, repr=False)
    _cutter: FrameCutter = field(default_factory=FrameCutter, repr=False)

    @property
    def finished(self) -> bool:
        return bool(self._end)

    def closing(self) -> bytes:
        return self._end

    def feed(self, chunk: bytes) -> bytes:
        return b"".join([self._passed(frame) for frame in self._cutter.cut(chunk) if not self.done])

    def _passed(self, frame: bytes) -> bytes:
        payload = payload_of(frame)
        if payload is None:
            return frame
        if payload == b"[DONE]":
            self.done = True
            self._end += frame
            return b""
        self.number += 1
        before, self._end = self._end, b""
        if _is_plain_delta(payload):
            self.content_frames += 1
            return before + frame
        try:
            told = _event.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return before + frame
        self._count(told)
        if told.type in self.grammar.ends or told.type in self.grammar.failures:
            self.failed = self.failed or told.type in self.grammar.failures
            self._end, self.done = frame, self.grammar.stops or self.failed
            return before
        return before + frame

    def _count(self, event: _Event) -> None:
        """Counts come in pieces: at the beginning what was asked, in the end what was answered."""
        began = isinstance(event.message, dict)
        holder = event.message if began else event.response
        told = holder.get("usage") if isinstance(holder, dict) else event.usage
        if isinstance(told, dict):
            self._counts |= {name: count for name, count in told.items() if count is not None}
            self.usage = usage_in(self._counts, partial=began) or self.usage


def _is_plain_delta(payload: bytes) -> bool:
    return b'delta"' in payload[:96] and b'"usage"' not in payload


@dataclass(slots=True)
class Retold:
    """A chat stream counted, and told to the app in its own dialect."""

    relay: Relay
    telling: Telling

    @property
    def usage(self) -> Usage | None:
        return self.relay.usage

    @property
    def content_frames(self) -> int:
        return self.relay.content_frames

    @property
    def done(self) -> bool:
        return self.relay.done or self.telling.failed

    @property
    def finished(self) -> bool:
        return self.relay.finished

    @property
    def failed(self) -> bool:
        return self.relay.failed

    @property
    def number(self) -> int:
        return self.telling.number

    def feed(self, chunk: bytes) -> bytes:
        ready = self.relay.feed(chunk)
        return self.telling.feed(ready) if ready else b""

    def closing(self) -> bytes:
        return self.telling.finish()


@dataclass(slots=True)
class Bytes:
    """Sound, or text that is no stream of events: passed on as it comes, the last piece held back until the end."""

    usage: Usage | None = None
    content_frames: int = 0
    done: bool = False
    failed: bool = False
    number: int = 0
    finished: bool = True
    _last: bytes = field(default=b"", repr=False)

    def feed(self, chunk: bytes) -> bytes:
        ready, self._last = self._last, chunk
        return ready

    def closing(self) -> bytes:
        return self._last


def meter_of(call: Call, dialect: Dialect | None) -> Meter:
    """How this call's stream is read."""
    if dialect is not None:
        return Retold(Relay(show_usage=True), dialect.stream(call))
    grammar = GRAMMARS.get(call.endpoint)
    if grammar is None:
        return Relay(show_usage=call.wants_usage, choices=call.choices)
    return Events(grammar)
