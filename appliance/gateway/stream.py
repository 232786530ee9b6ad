"""Server-sent events on their way through: complete frames go out as they come, nothing is merged or held back.

`Relay` is pure: bytes in, bytes out, facts gathered. It cuts at frame ends however the bytes were split on the wire,
keeps usage to itself where the app did not ask for it, and holds back only the closing `[DONE]`, so that the exchange
can be recorded before its last byte leaves. (WHATWG HTML, server-sent events: lines end in LF, CRLF or CR; a blank
line ends a frame.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

FRAME_LIMIT_BYTES = 8 * 1024 * 1024

_FRAME_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
DONE = b"data: [DONE]\n\n"


class Usage(msgspec.Struct):
    """An upstream's own count. Absent members are zero."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _WireUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _WireReply(msgspec.Struct):
    usage: _WireUsage | None = None
    choices: list[msgspec.Raw] | None = None
    error: msgspec.Raw | None = None


_reply_decoder = msgspec.json.Decoder(_WireReply)


class FrameTooLarge(Exception):
    """A frame without an end: the upstream is not speaking server-sent events."""


def usage_in(body: bytes) -> Usage | None:
    """The usage that a whole JSON reply reports, or None. Raises msgspec.DecodeError where it is not such a reply."""
    return _usage(_reply_decoder.decode(body).usage)


def _usage(wire: _WireUsage | None) -> Usage | None:
    if wire is None:
        return None
    cached = wire.prompt_tokens_details.cached_tokens if wire.prompt_tokens_details else None
    counts = (wire.prompt_tokens or 0, wire.completion_tokens or 0, cached or 0)
    # A negative count is no count; the meter must not run backwards.
    return Usage(*counts) if min(counts) >= 0 else None


@dataclass(slots=True)
class Relay:
    """One stream. `feed` returns what may go out now; when `done` is set, only `[DONE]` is still to be sent."""

    show_usage: bool
    usage: Usage | None = None
    content_frames: int = 0
    finished: bool = False
    done: bool = False
    failed: bool = False
    _rest: bytes = field(default=b"", repr=False)

    def feed(self, chunk: bytes) -> bytes:
        """Takes bytes as they came. Raises FrameTooLarge."""
        if not self._rest and chunk.endswith(b"\n\n") and not _needs_a_look(chunk):
            # The common case, some hundred times a stream: whole frames with nothing but content.
            self.content_frames += chunk.count(b"data:")
            return chunk
        return self._frame_by_frame(self._rest + chunk)

    def _frame_by_frame(self, data: bytes) -> bytes:
        out, start = [], 0
        for end in _FRAME_END.finditer(data):
            frame = data[start : end.end()]
            start = end.end()
            if not self.done and self._goes_out(frame):
                out.append(frame)
        self._rest = data[start:]
        if len(self._rest) > FRAME_LIMIT_BYTES:
            raise FrameTooLarge
        return b"".join(out)

    def _goes_out(self, frame: bytes) -> bool:
        payload = _payload_of(frame)
        if payload is None:
            return True
        if payload == b"[DONE]":
            self.done = True
            return False
        if not _needs_a_look(frame):
            self.content_frames += 1
            return True
        try:
            reply = _reply_decoder.decode(payload)
        except msgspec.DecodeError:
            return True
        self.failed = self.failed or (reply.error is not None and bytes(reply.error) != b"null")
        self.finished = self.finished or b'"finish_reason":"' in payload.replace(b": ", b":")
        usage = _usage(reply.usage)
        self.usage = usage or self.usage
        if reply.choices:
            self.content_frames += 1
            return True
        return self.show_usage or usage is None


def _needs_a_look(data: bytes) -> bool:
    return (
        b'"usage":{' in data
        or b'"usage": {' in data
        or b"[DONE]" in data
        or b'"finish_reason":"' in data
        or b'"finish_reason": "' in data
        or b'"error"' in data
        or b"\r" in data
    )


def _payload_of(frame: bytes) -> bytes | None:
    """The frame's data lines joined, or None for a comment or another field."""
    lines = [line[5:].removeprefix(b" ") for line in frame.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
