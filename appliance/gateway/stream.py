"""Server-sent events on their way through: complete frames go out as they come, nothing is merged or held back.

`Relay` is pure: bytes in, bytes out, facts gathered. It cuts at frame ends however the bytes were split on the wire,
keeps usage to itself where the app did not ask for it, and holds back only the closing `[DONE]`, so that the exchange
can be recorded before its last byte leaves. (WHATWG HTML, server-sent events: lines end in LF, CRLF or CR; a blank line
ends a frame.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from appliance.gateway.usage_report import Usage, reply_in, usage_of

FRAME_LIMIT_BYTES = 8 * 1024 * 1024

# Two line ends in a row. Atomic, so that one CRLF is never read as a CR and an LF.
_FRAME_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LONGEST_END = 4
DONE = b"data: [DONE]\n\n"


class FrameTooLarge(Exception):
    """A frame without an end: the upstream is not speaking server-sent events."""


@dataclass(slots=True)
class Relay:
    """One stream of `choices` choices. `feed` returns what may go out now; once `done`, only `[DONE]` is to be sent."""

    show_usage: bool
    choices: int = 1
    usage: Usage | None = None
    content_frames: int = 0
    done: bool = False
    failed: bool = False
    _ended: set[bytes] = field(default_factory=set, repr=False)
    _rest: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def finished(self) -> bool:
        """Whether every choice has told why it ended: a stream that stops after that has said all it had to say."""
        return len(self._ended) >= self.choices

    def feed(self, chunk: bytes) -> bytes:
        """Takes bytes as they came. Raises FrameTooLarge."""
        if not self._rest and _is_plain(chunk):
            # The common case, some hundred times a stream: whole frames with nothing but content.
            self.content_frames += chunk.count(b"\n\n")
            return chunk
        searched = max(0, len(self._rest) - _LONGEST_END)
        self._rest += chunk
        out = [frame for frame in self._frames(searched) if not self.done and self._goes_out(frame)]
        if len(self._rest) > FRAME_LIMIT_BYTES:
            raise FrameTooLarge
        return b"".join(out)

    def _frames(self, searched: int) -> list[bytes]:
        """Takes the whole frames out of what has come; `searched` bytes of it are known to hold no frame's end."""
        frames, start = [], 0
        while (found := _FRAME_END.search(self._rest, max(start, searched))) is not None:
            end = found.end()
            if end == len(self._rest) and found.group() in (b"\n\r", b"\r\n\r"):
                break  # the CR may be the first half of a CRLF that is still on its way
            frames.append(bytes(self._rest[start:end]))
            start = end
        del found
        del self._rest[:start]
        return frames

    def _goes_out(self, frame: bytes) -> bool:
        payload = _payload_of(frame)
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


def _payload_of(frame: bytes) -> bytes | None:
    """The frame's data lines joined, or None for a comment or another field."""
    lines = [line[5:].removeprefix(b" ") for line in frame.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
