"""Server-sent events cut at frame ends, however the bytes were split on the wire (pure).

WHATWG HTML, server-sent events: lines end in LF, CRLF or CR; a blank line ends a frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FRAME_LIMIT_BYTES = 8 * 1024 * 1024

# Two line ends in a row. Atomic, so that one CRLF is never read as a CR and an LF.
_FRAME_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LONGEST_END = 4


class FrameTooLarge(Exception):
    """A frame without an end: the upstream is not speaking server-sent events."""


@dataclass(slots=True)
class FrameCutter:
    """`rest` is what has come of a frame whose end has not."""

    rest: bytearray = field(default_factory=bytearray, repr=False)

    def cut(self, chunk: bytes) -> list[bytes]:
        """The frames that are whole now. Raises FrameTooLarge."""
        searched = max(0, len(self.rest) - _LONGEST_END)  # up to there, no frame ends
        self.rest += chunk
        frames = self._whole(searched)
        if len(self.rest) > FRAME_LIMIT_BYTES:
            raise FrameTooLarge
        return frames

    def _whole(self, searched: int) -> list[bytes]:
        frames, start = [], 0
        while (found := _FRAME_END.search(self.rest, max(start, searched))) is not None:
            end = found.end()
            if end == len(self.rest) and found.group() in (b"\n\r", b"\r\n\r"):
                break  # the CR may be the first half of a CRLF that is still on its way
            frames.append(bytes(self.rest[start:end]))
            start = end
        del found
        del self.rest[:start]
        return frames


def payload_of(frame: bytes) -> bytes | None:
    """The frame's data lines joined, or None for a comment or another field."""
    lines = [line[5:].removeprefix(b" ") for line in frame.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
