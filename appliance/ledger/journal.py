"""The journal: append-only files that a worker writes and nobody waits for.

Promise: a line that `append` returned from survives the death of the process (it is in the kernel), and survives a
power cut once `sync` has run, which the worker does every SYNC_SECONDS. Each line carries its own CRC-32, so a torn
tail is seen. A segment is locked by the process that writes it; when the kernel has released that lock, the writer is
dead.

A line: eight hexadecimal digits of CRC, a space, JSON, a newline.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.errors import StateUnwritable
from appliance.ledger.entry import Begun, Carried, Entry, Line
from media.rename import rename_new

SYNC_SECONDS = 0.2
SEGMENT_BYTES = 16 * 1024 * 1024
SUFFIX = ".journal"
PIECE_BYTES = 4 * 1024 * 1024

_ENTRY = b'{"line":"entry"'

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class Journal:
    """One worker's own segments, named `<name>-<number>.journal`."""

    def __init__(self, folder: Path, name: str, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._name = name
        self._segment_bytes = segment_bytes
        self._number = 0
        self._open: dict[str, Begun] = {}
        self._descriptor = self._new_segment()[1]
        self._size = 0
        self._dirty = False

    @property
    def open_exchanges(self) -> int:
        return len(self._open)

    def begin(self, begun: Begun) -> None:
        """Records an admitted call. Raises StateUnwritable; the call must then not go ahead."""
        if self._size >= self._segment_bytes:
            self._rotate()
        self._append(begun)
        self._open[begun.id] = begun

    def end(self, entry: Entry) -> None:
        """Records how it ended; to be called before the last byte of the reply leaves."""
        self._append(entry)
        self._open.pop(entry.id, None)

    def sync(self) -> None:
        """Makes everything appended so far survive a power cut."""
        if self._dirty:
            self._dirty = False
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        self.sync()
        os.close(self._descriptor)

    def _append(self, line: Line) -> None:
        data = _framed(line)
        try:
            _write_whole(self._descriptor, data)
        except OSError as exc:
            self._take_away_torn_line()
            raise StateUnwritable(f"The journal cannot be written: {exc.strerror}.", where=str(self._folder)) from exc
        self._size += len(data)
        self._dirty = True

    def _take_away_torn_line(self) -> None:
        """After a short write, so that the next line starts on a line of its own."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            # The reader tells a torn line in the middle by its CRC; a newline at least keeps the next one apart.
            with contextlib.suppress(OSError):
                os.write(self._descriptor, b"\n")
            self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        """Starts the next segment: open exchanges are begun again there, and marked as carried here.

        All of it or none: where it cannot be done, the full segment goes on being written.
        """
        carried = list(self._open.values())
        begun = b"".join(_framed(each) for each in carried)
        file, descriptor = self._new_segment()
        try:
            _write_whole(descriptor, begun)
            os.fdatasync(descriptor)
            _write_whole(self._descriptor, b"".join(_framed(Carried(each.id)) for each in carried))
            os.fdatasync(self._descriptor)
        except OSError as exc:
            file.unlink(missing_ok=True)
            os.close(descriptor)
            self._take_away_torn_line()
            raise StateUnwritable(f"The journal cannot be written: {exc.strerror}.", where=str(self._folder)) from exc
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(begun)

    def _new_segment(self) -> tuple[Path, int]:
        """Makes and locks the next segment. It gets its name only when it is locked: nobody takes it for a dead one."""
        self._number += 1
        file = self._folder / f"{self._name}-{self._number:06d}{SUFFIX}"
        unborn = file.with_suffix(".unborn")
        descriptor = -1
        try:
            descriptor = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _give_name(self._folder, unborn.name, file.name)
        except OSError as exc:
            if descriptor >= 0:
                os.close(descriptor)
            unborn.unlink(missing_ok=True)
            raise StateUnwritable(f"The journal cannot be made: {exc.strerror}.", where=str(file)) from exc
        return file, descriptor


def _framed(line: Line) -> bytes:
    data = _encoder.encode(line)
    return b"%08x %b\n" % (zlib.crc32(data), data)


def _write_whole(descriptor: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _give_name(folder: Path, unborn: str, name: str) -> None:
    """Never over another segment, and so that the name outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        rename_new(unborn, name, descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def segments(folder: Path) -> list[Path]:
    """All segments, oldest name first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def writer_is_dead(segment: Path) -> bool:
    """Whether the process that wrote the segment has gone: its lock is free."""
    descriptor = os.open(segment, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines read from a segment: up to byte `upto`; `damaged` counts lines whose CRC does not hold."""

    entries: tuple[Entry, ...]
    upto: int
    damaged: int


def read_from(segment: Path, offset: int, limit: int = PIECE_BYTES) -> Piece:
    """The entries in the whole lines after `offset`, of at most about `limit` bytes. A torn last line is for later."""
    entries: list[Entry] = []
    damaged = 0
    lines, upto = _lines_after(segment, offset, limit)
    for raw in lines:
        if not _is_whole(raw):
            damaged += 1
        elif raw.startswith(_ENTRY, 9):
            line = _line_in(raw)
            if isinstance(line, Entry):
                entries.append(line)
            else:
                damaged += 1
    return Piece(tuple(entries), upto, damaged)


def left_open(segment: Path) -> Iterator[Begun]:
    """The exchanges that began in a dead writer's segment and neither ended nor were carried over."""
    begun: dict[str, Begun] = {}
    offset, upto = -1, 0
    while upto > offset:
        offset = upto
        lines, upto = _lines_after(segment, offset, PIECE_BYTES)
        for raw in lines:
            line = _line_in(raw) if _is_whole(raw) else None
            if isinstance(line, Begun):
                begun[line.id] = line
            elif line is not None:
                begun.pop(line.id, None)
    yield from begun.values()


def _lines_after(segment: Path, offset: int, limit: int) -> tuple[list[bytes], int]:
    with segment.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(limit)
        # A stretch without a line end (zeros left by a power cut) must not hide what stands behind it.
        while b"\n" not in data and (more := stream.read(limit)):
            data += more
    end = data.rfind(b"\n") + 1
    return data[:end].split(b"\n")[:-1], offset + end


def _is_whole(raw: bytes) -> bool:
    return raw[:9] == b"%08x " % zlib.crc32(raw[9:])


def _line_in(raw: bytes) -> Line | None:
    try:
        return _decoder.decode(raw[9:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
