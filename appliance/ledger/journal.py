"""The journal: append-only files that a worker writes and nobody waits for.

Promise: a line that `append` returned from survives the death of the process (it is in the kernel), and survives a
power cut once it has been synced, which the worker does every SYNC_SECONDS. An exchange is let in only when there is
room for its end as well. After a failed write or sync the segment is not trusted again: what may have been lost with it
is still in memory, and is written to a new segment. Each line carries its own CRC-32, so a torn tail is seen. A segment
is locked by the process that writes it; when the kernel has released that lock, the writer is dead.

A line: eight hexadecimal digits of CRC, a space, JSON, a newline.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.errors import ApplianceError, StateUnwritable, StorageFull
from appliance.ledger.entry import Begun, Carried, Entry, Line, Outcome
from appliance.ledger.room import FULL, free_bytes, give_back, set_aside
from media.rename import rename_new

SYNC_SECONDS = 0.2
SEGMENT_BYTES = 16 * 1024 * 1024
SUFFIX = ".journal"
PIECE_BYTES = 4 * 1024 * 1024
ENTRY_BYTES = 2048
"""Set aside for the end of each open exchange: more than any entry takes whose labels are of lawful length."""

_ENTRY = b'{"line":"entry"'

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


@dataclass(slots=True)
class _Segment:
    """A file that is being written: up to byte `size`, and with room up to byte `reserved`."""

    file: Path
    descriptor: int
    size: int = 0
    reserved: int = 0

    def reserve(self, needed: int) -> None:
        if self.reserved - self.size < needed:
            self.reserved = self.size + set_aside(self.descriptor, self.size, needed)

    def write(self, data: bytes) -> None:
        """All of it; where that fails, nothing of it, so that the next line starts on a line of its own."""
        try:
            _write_whole(self.descriptor, data)
        except OSError:
            self._take_away_torn_line()
            raise
        self.size += len(data)

    def _take_away_torn_line(self) -> None:
        try:
            os.ftruncate(self.descriptor, self.size)
            self.reserved = self.size  # a truncation frees what was set aside beyond
        except OSError:
            # The reader tells a torn line in the middle by its CRC; a newline at least keeps the next one apart.
            with contextlib.suppress(OSError):
                os.write(self.descriptor, b"\n")
            self.size = os.fstat(self.descriptor).st_size

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the room comes back when the segment is removed
            give_back(self.descriptor)
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Sync:
    """Lines on their way to the disk. `flush` may run in another thread; the rest is for the journal's own."""

    descriptor: int
    lines: tuple[bytes, ...]

    def flush(self) -> OSError | None:
        """Waits for the disk. What went wrong is returned: the journal must hear of it either way."""
        try:
            os.fdatasync(self.descriptor)
        except OSError as exc:
            return exc
        finally:
            os.close(self.descriptor)
        return None


class Journal:
    """One worker's own segments, named `<name>-<number>.journal`. Nothing but `Sync.flush` may leave its thread."""

    def __init__(self, folder: Path, name: str, *, segment_bytes: int = SEGMENT_BYTES, keep_free: int = 0) -> None:
        self._folder = folder
        self._name = name
        self._segment_bytes = segment_bytes
        self._keep_free = keep_free
        self._number = 0
        self._open: dict[str, Begun] = {}
        self._owed: dict[str, Entry] = {}
        self._undurable: list[bytes] = []
        self._syncing: Sync | None = None
        self._doubted = False
        self._segment = self._new_segment()

    @property
    def open_exchanges(self) -> int:
        return len(self._open)

    def begin(self, begun: Begun) -> None:
        """Records an admitted call. Raises StorageFull, StateUnwritable; the call must then not go ahead."""
        if self._doubted:
            raise self._unwritable("an earlier write failed")
        if self._segment.size >= self._segment_bytes:
            self._rotate()
        line = _framed(begun)
        self._require_room(len(line))
        self._append(line)
        self._open[begun.id] = begun

    def end(self, entry: Entry) -> None:
        """Records how it ended; to be called before the last byte of the reply leaves.

        Raises StateUnwritable; the reply must then not be given as whole. The entry is kept and written as soon as the
        disk takes it, as the fault that the caller is told of, with the counts that it has.
        """
        try:
            self._append(_framed(entry))
        except ApplianceError:
            self._owed[entry.id] = msgspec.structs.replace(entry, outcome=Outcome.FAULT)
            raise
        self._open.pop(entry.id, None)

    def refusal(self) -> ApplianceError | None:
        """Why no call could be recorded now; None where one could. Looks at the disk: not for every call."""
        if self._doubted:
            return self._unwritable("an earlier write failed")
        try:
            if free_bytes(self._folder) < self._keep_free:
                return self._full()
            self._require_room(ENTRY_BYTES)
        except ApplianceError as refusal:
            return refusal
        except OSError as exc:
            return self._unwritable(exc.strerror)
        return None

    def begin_sync(self) -> Sync | None:
        """What must be flushed now, if anything. Raises StateUnwritable while a bad disk takes no new segment."""
        if self._doubted:
            self._move_on()
        self._write_owed()
        if self._syncing is not None or not self._undurable:
            return None
        self._syncing = Sync(os.dup(self._segment.descriptor), tuple(self._undurable))
        self._undurable.clear()
        return self._syncing

    def finish_sync(self, sync: Sync, fault: OSError | None) -> None:
        """After a failed sync the kernel may have dropped the pages and call the next sync good: it is not asked again.

        Raises StateUnwritable where no new segment can be made now; it is tried again with every `begin_sync`.
        """
        self._syncing = None
        if fault is not None:
            self._undurable[:0] = sync.lines
            self._doubted = True
            self._move_on()

    def sync(self) -> None:
        """Makes everything appended so far survive a power cut. Raises StateUnwritable."""
        sync = self.begin_sync()
        if sync is not None:
            self.finish_sync(sync, sync.flush())

    def close(self) -> None:
        try:
            self.sync()
        finally:
            self._segment.close()

    def _require_room(self, line: int) -> None:
        """Room for a beginning, for its end, and for the ends of all that are open."""
        try:
            self._segment.reserve(line + (len(self._open) + 1) * ENTRY_BYTES)
        except OSError as exc:
            raise self._full() if exc.errno in FULL else self._unwritable(exc.strerror) from exc

    def _append(self, line: bytes) -> None:
        try:
            self._segment.write(line)
        except OSError as exc:
            if exc.errno in FULL:
                raise self._full() from exc
            self._doubted = True
            self._move_on()
            try:
                self._segment.write(line)
            except OSError as again:
                self._doubted = True
                raise self._unwritable(again.strerror) from again
        self._undurable.append(line)

    def _write_owed(self) -> None:
        for name, entry in list(self._owed.items()):
            self._append(_framed(entry))
            del self._owed[name]
            self._open.pop(name, None)

    def _rotate(self) -> None:
        """Leaves a full segment for the next one."""
        # Where another sync is under way, it may be told of a fault that this one then is not.
        if self._syncing is None:
            try:
                os.fdatasync(self._segment.descriptor)
                self._undurable.clear()
            except OSError:
                self._doubted = True
        self._move_on()

    def _move_on(self) -> None:
        """Goes on in a new segment: open exchanges are begun again there, and what is not known to be durable is
        written again. All of it or none: where it cannot be done, the old segment stays, and is doubted if it was.

        A line that stands twice counts once: an exchange's id is the ledger's key.
        """
        again = b"".join([*(_framed(each) for each in self._open.values()), *self._undurable])
        new = self._new_segment()
        try:
            new.reserve(len(again) + (len(self._open) + 1) * ENTRY_BYTES)
            new.write(again)
            os.fdatasync(new.descriptor)
        except OSError as exc:
            new.file.unlink(missing_ok=True)
            os.close(new.descriptor)
            raise self._full() if exc.errno in FULL else self._unwritable(exc.strerror) from exc
        # Only a courtesy to the reader, who looks into later segments before taking anything as cut off.
        with contextlib.suppress(OSError):
            self._segment.write(b"".join(_framed(Carried(name)) for name in self._open))
            os.fdatasync(self._segment.descriptor)
        self._segment.close()
        self._segment = new
        self._undurable.clear()
        self._doubted = False

    def _new_segment(self) -> _Segment:
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
            raise self._full() if exc.errno in FULL else self._unwritable(exc.strerror) from exc
        return _Segment(file, descriptor)

    def _full(self) -> StorageFull:
        return StorageFull("There is no room to record another call.", where=str(self._folder))

    def _unwritable(self, why: str | None) -> StateUnwritable:
        return StateUnwritable(f"The journal cannot be written: {why}.", where=str(self._folder))


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


def successors(segment: Path) -> list[Path]:
    """The segments that the same writer went on in."""
    name, _, _ = segment.name.rpartition("-")
    return [each for each in segments(segment.parent) if each.name.startswith(f"{name}-") and each.name > segment.name]


def mentioned(segment: Path, names: Collection[str]) -> set[str]:
    """Which of these exchanges stand in the segment, in whatever line."""
    found: set[str] = set()
    offset, upto = -1, 0
    while upto > offset:
        offset = upto
        lines, upto = _lines_after(segment, offset, PIECE_BYTES)
        for raw in lines:
            line = _line_in(raw) if _is_whole(raw) else None
            if line is not None and line.id in names:
                found.add(line.id)
    return found


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
