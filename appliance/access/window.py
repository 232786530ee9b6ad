"""The licence's caps, held exactly over all workers by shared memory.

Promise: in no interval of 60 seconds are more than `rpm` calls admitted, whatever the number of workers, and a
restart is no way to a fresh quota. The last admissions are kept as a ring of time stamps in one mapped file under one
file lock: the call is admitted when the stamp `rpm` places back is at least a minute old. The lock is the kernel's,
so a worker killed while holding it releases it; a half-made admission is finished by whoever comes next, so it
counts.

A cap counts from the moment it is in force: calls admitted while there was none are not remembered.

Tokens are counted after the reply, when they are known: no call is admitted once the last minute holds `tpm` tokens.

Times are CLOCK_BOOTTIME seconds, which steps of the wall clock do not touch. After a reboot the stamps of the boot
before are worth nothing and are dropped: a host takes longer than the window to come back, or is at most `rpm` over
once.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import StateUnwritable

WINDOW_SECONDS = 60
_MAGIC = 0x414F57494E303031
_MINIMUM = 1024
_COUNT_LIMIT = 2**62
_HEADER = struct.Struct("<QQQQ16s")  # magic, capacity, admitted, intended, boot id
_STAMP = struct.Struct("<d")
_BUCKET = struct.Struct("<QQ")  # second, tokens
_BUCKETS = WINDOW_SECONDS + 1
_ADMITTED = 16
_INTENDED = 24
_BUCKETS_AT = _HEADER.size
_RING_AT = _BUCKETS_AT + _BUCKETS * _BUCKET.size
_U64 = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Decision:
    """`limit` is what was hit ("requests", "tokens") or None; `retry_after` in seconds; `remaining` calls this
    minute."""

    limit: str | None
    retry_after: float
    remaining: int | None
    reset_after: float
    remaining_tokens: int | None = None


class RateWindow:
    """One per process, on the same file. Not for use by two threads at once."""

    def __init__(self, file: Path, *, rpm: int | None, boot_id: bytes) -> None:
        self._file = file
        self._path = os.fspath(file)  # asked for on every call, where pathlib would cost more than the system
        self._boot_id = boot_id[:16].ljust(16, b"\0")
        self._capacity_needed = _capacity_for(rpm)
        self._capacity = 0
        try:
            self._lock = os.open(
                file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as exc:
            raise StateUnwritable(f"The rate window cannot be opened: {exc.strerror}.", where=str(file)) from exc
        self._inode = 0
        self._oldest = 0
        self._memory = mmap.mmap(-1, 1)
        with self._locked():
            self._open_current()

    def admit(self, now: float, *, rpm: int | None, tpm: int | None) -> Decision:
        """Admits one call at `now`, or says which cap is in the way and for how long."""
        with self._locked():
            self._capacity_needed = max(self._capacity_needed, _capacity_for(rpm))
            self._open_current()
            tokens_left: int | None = None
            if tpm is not None:
                used, wait = self._tokens_used(now, tpm)
                tokens_left = max(0, tpm - used)
                if wait > 0:
                    return Decision("tokens", wait, None, wait, 0)
            if rpm is None:
                return Decision(None, 0.0, None, 0.0, tokens_left)
            admitted = self._finish_interrupted()
            if admitted >= rpm:
                age = now - self._stamp(admitted - rpm)
                if age < WINDOW_SECONDS:
                    return Decision("requests", WINDOW_SECONDS - age, 0, WINDOW_SECONDS - age, tokens_left)
            self._record(admitted, now)
            inside, oldest = self._inside(admitted + 1, now, rpm)
            return Decision(None, 0.0, rpm - inside, max(0.0, WINDOW_SECONDS - (now - oldest)), tokens_left)

    def add_tokens(self, now: float, tokens: int) -> None:
        """Counts tokens that a finished call has used."""
        if tokens <= 0:
            return
        second = int(now)
        at = _BUCKETS_AT + (second % _BUCKETS) * _BUCKET.size
        with self._locked():
            self._open_current()
            kept_second, kept = _BUCKET.unpack_from(self._memory, at)
            _BUCKET.pack_into(self._memory, at, second, tokens + (kept if kept_second == second else 0))

    def close(self) -> None:
        self._memory.close()
        os.close(self._lock)

    def _locked(self) -> _FileLock:
        return _FileLock(self._lock)

    def _tokens_used(self, now: float, tpm: int) -> tuple[int, float]:
        """The tokens of the last minute, and the seconds until there is room again (0: there is)."""
        second = int(now)
        buckets: list[tuple[int, int]] = sorted(
            (kept_second, tokens)
            for kept_second, tokens in _BUCKET.iter_unpack(self._memory[_BUCKETS_AT:_RING_AT])
            if kept_second > second - _BUCKETS
        )
        used = left = sum(tokens for _, tokens in buckets)
        if used < tpm:
            return used, 0.0
        for kept_second, tokens in buckets:
            left -= tokens
            if left < tpm:
                return used, max(1.0, kept_second + _BUCKETS - now)
        return used, float(WINDOW_SECONDS)

    def _finish_interrupted(self) -> int:
        """The number ever admitted, counting one whose process died between its stamp and its count."""
        admitted: int = _U64.unpack_from(self._memory, _ADMITTED)[0]
        intended: int = _U64.unpack_from(self._memory, _INTENDED)[0]
        if intended != admitted:
            admitted = intended
            _U64.pack_into(self._memory, _ADMITTED, admitted)
        return admitted

    def _record(self, admitted: int, now: float) -> None:
        _STAMP.pack_into(self._memory, self._place(admitted), now)
        _U64.pack_into(self._memory, _INTENDED, admitted + 1)
        _U64.pack_into(self._memory, _ADMITTED, admitted + 1)

    def _inside(self, admitted: int, now: float, rpm: int) -> tuple[int, float]:
        """How many of the last `rpm` admissions are inside the window, and the oldest of those.

        What has once left the window stays outside, so the search begins where the last one ended: in strides that
        double, and then between the last two.
        """
        low, last = max(0, admitted - rpm, min(self._oldest, admitted - 1)), admitted - 1
        stride = 1
        while low < last and now - self._stamp(low) >= WINDOW_SECONDS:
            ahead = min(low + stride, last)
            if now - self._stamp(ahead) < WINDOW_SECONDS:
                low = self._first_inside(low + 1, ahead, now)
                break
            low, stride = ahead, stride * 2
        self._oldest = low
        return admitted - low, self._stamp(low)

    def _first_inside(self, low: int, high: int, now: float) -> int:
        """The first of low … high that is inside, where `high` is (binary search)."""
        while low < high:
            middle = (low + high) // 2
            if now - self._stamp(middle) < WINDOW_SECONDS:
                high = middle
            else:
                low = middle + 1
        return low

    def _place(self, number: int) -> int:
        return _RING_AT + (number % self._capacity) * _STAMP.size

    def _stamp(self, number: int) -> float:
        stamp: float = _STAMP.unpack_from(self._memory, self._place(number))[0]
        return stamp

    def _open_current(self) -> None:
        """Maps the file that is there now; builds it where it is absent, too small, damaged, or of another boot."""
        try:
            inode = os.lstat(self._path).st_ino
        except FileNotFoundError:
            inode = 0
        if inode and inode == self._inode and self._capacity >= self._capacity_needed:
            return
        kept: list[float] = []
        buckets = b""
        if inode:
            self._map()
            if self._is_whole():
                if self._capacity >= self._capacity_needed:
                    return
                admitted = self._finish_interrupted()
                first = max(0, admitted - self._capacity)
                kept = [self._stamp(number) for number in range(first, admitted)]
                buckets = bytes(self._memory[_BUCKETS_AT:_RING_AT])
        self._build(kept, buckets)

    def _is_whole(self) -> bool:
        """Whether the mapped file is one that this boot's workers wrote: sizes, counts and stamps that can be."""
        if len(self._memory) < _RING_AT:
            return False
        magic, capacity, admitted, intended, boot_id = _HEADER.unpack_from(self._memory, 0)
        if magic != _MAGIC or boot_id != self._boot_id or len(self._memory) != _RING_AT + capacity * _STAMP.size:
            return False
        self._capacity = capacity
        stamps = _STAMP.iter_unpack(self._memory[_RING_AT:])
        return (
            capacity > 0
            and intended in (admitted, admitted + 1)
            and admitted < _COUNT_LIMIT
            and all(math.isfinite(stamp) for (stamp,) in stamps)
        )

    def _build(self, stamps: list[float], buckets: bytes) -> None:
        self._capacity = self._capacity_needed
        image = bytearray(_RING_AT + self._capacity * _STAMP.size)
        _HEADER.pack_into(image, 0, _MAGIC, self._capacity, len(stamps), len(stamps), self._boot_id)
        image[_BUCKETS_AT : _BUCKETS_AT + len(buckets)] = buckets
        for number, stamp in enumerate(stamps):
            _STAMP.pack_into(image, self._place(number), stamp)
        fresh = self._file.with_suffix(".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(image)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self._file)
        except OSError as exc:
            raise StateUnwritable(f"The rate window cannot be written: {exc.strerror}.", where=str(fresh)) from exc
        self._map()

    def _map(self) -> None:
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as exc:
            raise StateUnwritable(f"The rate window cannot be opened: {exc.strerror}.", where=str(self._file)) from exc
        try:
            status = os.fstat(descriptor)
            self._memory.close()
            self._memory = mmap.mmap(descriptor, status.st_size) if status.st_size else mmap.mmap(-1, 1)
            self._inode = status.st_ino
            self._oldest = 0  # another file counts from its own beginning
        finally:
            os.close(descriptor)


def _capacity_for(rpm: int | None) -> int:
    # One more than the cap: the slot being overwritten is then never one that a decision looks at.
    return max(_MINIMUM, (rpm or 0) + 1)


class _FileLock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
