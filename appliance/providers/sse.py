"""Server-sent events taken apart, however they were cut on the wire (pure). WHATWG HTML, "Server-sent events"."""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.providers.call import UnreadableAnswer

EVENT_LIMIT_BYTES = 8 * 1024 * 1024


@dataclass(slots=True, repr=False)
class Events:
    """`feed` gives the data of each event that is whole; events without data are none."""

    _line: bytearray = field(default_factory=bytearray)
    _data: list[bytes] = field(default_factory=list)
    _held: int = 0
    _after_cr: bool = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raises UnreadableAnswer for an event without an end."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        lines = bytes(self._line + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._line = bytearray(lines.pop())
        whole = [data for line in lines if (data := self._take(line)) is not None]
        if self._held + len(self._line) > EVENT_LIMIT_BYTES:
            raise UnreadableAnswer("an event without an end")
        return whole

    def _take(self, line: bytes) -> bytes | None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._held += len(line)
        elif not line and self._data:
            data = b"\n".join(self._data)
            self._data, self._held = [], 0
            return data
        return None
