"""Server-sent events on their way through: complete frames go out as they come, nothing is merged or held back.

`Relay` is pure: bytes in, bytes out, facts gathered. It cuts at frame ends however the bytes were split on the wire,
keeps usage to itself where the app did not ask for it, and holds back only the closing `[DONE]`, so that the exchange
can be recorded before its last byte leaves. `Meter` is what every kind of stream has in common.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from appliance.gateway.frame_cutter import FRAME_LIMIT_BYTES, FrameCutter, FrameTooLarge, payload_of
from appliance.gateway.usage_report import Usage, reply_in, usage_of

DONE = b"data: [DONE]\n\n"

__all__ = ["DONE", "FRAME_LIMIT_BYTES", "FrameTooLarge", "Meter", "Relay"]


class Meter(Protocol):
    """A stream on its way to the app, counted: complete events out, and the good end held back.

    `done`: nothing more is wanted of the upstream. `finished`: a stream that stops now has said all it had to say.
    `failed`: the upstream told an error itself. `number` is that of the next event, where events are numbered.
    """

    @property
    def usage(self) -> Usage | None: ...

    @property
    def content_frames(self) -> int: ...

    @property
    def done(self) -> bool: ...

    @property
    def finished(self) -> bool: ...

    @property
    def failed(self) -> bool: ...

    @property
    def number(self) -> int: ...

    def feed(self, chunk: bytes) -> bytes:
        """Takes bytes as they came. Raises FrameTooLarge, UnreadableAnswer."""
        ...

    def closing(self) -> bytes:
        """The last bytes of a good stream; they go out once the exchange is recorded."""
        ...


@dataclass(slots=True)
class Relay:
    """One stream of `choices` choices. `feed` returns what may go out now; once `done`, only `[DONE]` is to be sent."""

    show_usage: bool
    choices: int = 1
    usage: Usage | None = None
    content_frames: int = 0
    done: bool = False
    failed: bool = False
    number: int = 0
    _ended: set[bytes] = field(default_factory=set, repr=False)
    _cutter: FrameCutter = field(default_factory=FrameCutter, repr=False)

    @property
    def finished(self) -> bool:
        """Whether every choice has told why it ended: a stream that stops after that has said all it had to say."""
        return len(self._ended) >= self.choices

    def closing(self) -> bytes:
        return DONE

    def feed(self, chunk: bytes) -> bytes:
        """Takes bytes as they came. Raises FrameTooLarge."""
        if not self._cutter.rest and _is_plain(chunk):
            # The common case, some hundred times a stream: whole frames with nothing but content.
            self.content_frames += chunk.count(b"\n\n")
            return chunk
        return b"".join([frame for frame in self._cutter.cut(chunk) if not self.done and self._goes_out(frame)])

    def _goes_out(self, frame: bytes) -> bool:
        payload = payload_of(frame)
        if payload is None:
            return True
        if payload == b"[DONE]":
            self.done = True
            return False
        if not _needs_a_look(payload):
            self.content_frames += 1
            return True
        try:
            reply = reply_in(payload)
        except msgspec.DecodeError:
            self.content_frames += 1
            return True
        choices = reply.choices_or_none()
        self._ended.update(bytes(choice.index) for choice in choices if choice.finished)
        self.failed = self.failed or reply.failed
        usage = usage_of(reply)
        self.usage = usage or self.usage
        if choices:
            self.content_frames += 1
            return True
        return self.show_usage or usage is None


def _is_plain(chunk: bytes) -> bool:
    """Whole frames of data, each in one piece, in which there is nothing to be looked at."""
    return (
        chunk.startswith(b"data:")
        and chunk.endswith(b"\n\n")
        and chunk.count(b"\n\n") == chunk.count(b"\n\ndata:") + 1
        and not _needs_a_look(chunk)
    )


def _needs_a_look(data: bytes) -> bool:
    return (
        data.count(b'"finish_reason"') != data.count(b'"finish_reason":null')
        or data.count(b'"usage"') != data.count(b'"usage":null')
        or data.count(b'"error"') != data.count(b'"error":null')
        or b"[DONE]" in data
        or b"\r" in data
    )
