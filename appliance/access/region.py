"""The memory that all workers count in: one mapped file of equal pages under one lock of the kernel's.

Page 0 says what the file is; each other page is one account (what a tier has used up) or a worker's calls under way.

Promise: whoever changes anything holds the lock, and says so in the file. Who takes the lock after one that died in the
middle of a change, or opens the file, first works out every sum again from what it is the sum of: calls in a window
from its buckets, calls under way from the calls' own records. A worker's pages are locked for as long as it lives
(open-file-description locks, Linux 3.15), so the kernel says whose calls nobody will end any more.

The file is preallocated: a full disk refuses a new page, and never takes away one that is mapped. One that is damaged,
or of another boot of this host, is replaced; the budgets in it are then taken from the ledger, which is their truth.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
from pathlib import Path
from typing import Final

from appliance.access import window
from appliance.errors import StateUnwritable

PAGE: Final = 512
"""Words of 64 bits: 4 KiB."""
GROWTH: Final = 16
LARGEST_COUNT: Final = 2**60

MAGIC: Final = 0x414F51554F544131
HEAD_MAGIC, HEAD_BOOT, HEAD_PAGES, HEAD_BUSY = 0, 1, 3, 4

KIND = 0
FREE, ACCOUNT, CALLS = 0, 1, 2

# An account's words. Its mark is 16 bytes; `LAST` is the bucket that the windows were brought up to.
MARK, LAST, OLDEST, REQUESTS, TOKENS, OPEN, RESERVED, RESERVED_COST = 1, 3, 4, 5, 6, 7, 8, 9
DAY, DAY_TOKENS, DAY_COST, MONTH, MONTH_TOKENS, MONTH_COST = 10, 11, 12, 13, 14, 15
REQUEST_RING = 16
TOKEN_RING = REQUEST_RING + window.BUCKETS

# A call's record: tokens and one more (0: no call), cost, and the pages of its accounts.
RECORD: Final = 8
RECORDS: Final = PAGE // RECORD - 1
ACCOUNTS_A_CALL: Final = RECORD - 2

_FLOCK = struct.Struct("@hhqqi4x")
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""
_NO_WORDS = memoryview(bytes(8 * PAGE)).cast("q")


class Region:
    """One per process, on the same file. Not for use by two threads at once. `generation` rises when it is mapped anew:
    pages that were found before are then to be found again."""

    def __init__(self, file: Path, *, boot_id: bytes) -> None:
        self._file = file
        self._boot = struct.unpack("<qq", boot_id[:16].ljust(16, b"\0"))
        self._inode = 0
        self.generation = 0
        self.words = _NO_WORDS
        try:
            self._lock = os.open(
                file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as exc:
            raise _unwritable("opened", exc, file) from exc
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._open_current()
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def __enter__(self) -> memoryview:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            if self.words[HEAD_BUSY]:
                self._work_out_again()
            words = self.words
            words[HEAD_BUSY] = 1
        except BaseException:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            raise
        return words

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After a fault the change may be half made, and the next one to come is told.
        if kind is None:
            self.words[HEAD_BUSY] = 0
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    @property
    def pages(self) -> int:
        return int(self.words[HEAD_PAGES])

    def follow(self) -> bool:
        """Maps the file that is there now, if it is another one. Whether it is."""
        try:
            inode = os.lstat(self._file).st_ino
        except OSError:
            inode = 0
        if inode == self._inode:
            return False
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._open_current()
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        return True

    def see(self, page: int) -> memoryview:
        """The words, with that page among them: another worker may have made the file longer. Holding the lock."""
        if (page + 1) * PAGE > len(self.words):
            self._map()
        return self.words

    def new_page(self, kind: int) -> int:
        """Holding the lock. Raises StateUnwritable where there is no room."""
        page = self.pages
        if (page + 1) * PAGE > len(self.see(page - 1)):
            self._lengthen(page)
        self.words[page * PAGE + KIND] = kind
        self.words[HEAD_PAGES] = page + 1
        return page

    def claim(self, page: int) -> bool:
        """Whether this process now owns the page: nobody who lives does."""
        return self._page_lock(page, fcntl.F_WRLCK)

    def disclaim(self, page: int) -> None:
        self._page_lock(page, fcntl.F_UNLCK)

    def close(self) -> None:
        self.words = _NO_WORDS
        os.close(self._lock)

    def _page_lock(self, page: int, kind: int) -> bool:
        try:
            fcntl.fcntl(self._lock, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, page, 1, 0))
        except OSError as exc:
            if exc.errno in (errno.EAGAIN, errno.EACCES, errno.ENOLCK):
                return False
            raise
        return True

    def _open_current(self) -> None:
        """The file that is there, where it is one that this boot's workers wrote; else a new one in its place."""
        if self._is_there():
            self._map()
            if self._is_whole():
                self._work_out_again()
                self.words[HEAD_BUSY] = 0
                return
        image = bytearray(8 * PAGE * (GROWTH + 1))
        struct.pack_into("<qqqqq", image, 0, MAGIC, *self._boot, 1, 0)
        fresh = self._file.with_suffix(".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(image)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self._file)
        except OSError as exc:
            raise _unwritable("written", exc, fresh) from exc
        self._map()

    def _is_there(self) -> bool:
        try:
            return os.lstat(self._file).st_size > 0
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise _unwritable("opened", exc, self._file) from exc

    def _is_whole(self) -> bool:
        words = self.words
        if len(words) < PAGE * 2 or words[HEAD_MAGIC] != MAGIC or (words[1], words[2]) != self._boot:
            return False
        pages = words[HEAD_PAGES]
        if not 0 < pages * PAGE <= len(words):
            return False
        return all(self._is_sound(page, pages) for page in range(1, pages))

    def _is_sound(self, page: int, pages: int) -> bool:
        """Whether a page holds numbers that can be."""
        start = page * PAGE
        kind = self.words[start + KIND]
        if kind == ACCOUNT:
            counted = self.words[start + REQUESTS : start + PAGE]
            return min(counted) >= 0 and max(counted) <= LARGEST_COUNT
        if kind != CALLS:
            return kind == FREE
        return all(
            0 <= self.words[at] <= LARGEST_COUNT
            and 0 <= self.words[at + 1] <= LARGEST_COUNT
            and all(
                0 <= of < pages and (of == 0 or self.words[of * PAGE + KIND] == ACCOUNT)
                for of in self.words[at + 2 : at + RECORD]
            )
            for at in range(start + RECORD, start + PAGE, RECORD)
        )

    def _work_out_again(self) -> None:
        words = self.see(self.pages - 1)
        calls = [page * PAGE for page in range(1, self.pages) if words[page * PAGE] == CALLS]
        for page in range(1, self.pages):
            at = page * PAGE
            if words[at] == ACCOUNT:
                words[at + REQUESTS] = window.total(words, at + REQUEST_RING)
                words[at + TOKENS] = window.total(words, at + TOKEN_RING)
                words[at + OPEN] = words[at + RESERVED] = words[at + RESERVED_COST] = 0
        for start in calls:
            for record in range(start + RECORD, start + PAGE, RECORD):
                if words[record]:
                    for of in words[record + 2 : record + RECORD]:
                        if of:
                            words[of * PAGE + OPEN] += 1
                            words[of * PAGE + RESERVED] += words[record] - 1
                            words[of * PAGE + RESERVED_COST] += words[record + 1]

    def _lengthen(self, page: int) -> None:
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.posix_fallocate(descriptor, 8 * PAGE * page, 8 * PAGE * GROWTH)
            finally:
                os.close(descriptor)
        except OSError as exc:
            raise _unwritable("made longer", exc, self._file) from exc
        self._map()

    def _map(self) -> None:
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as exc:
            raise _unwritable("opened", exc, self._file) from exc
        try:
            status = os.fstat(descriptor)
            whole = status.st_size // (8 * PAGE) * (8 * PAGE)
            # Who still holds the words of before changes the same memory; it is unmapped when nobody does.
            self.words = memoryview(mmap.mmap(descriptor, whole)).cast("q") if whole else _NO_WORDS
            if status.st_ino != self._inode:
                self._inode = status.st_ino
                self.generation += 1
        except (OSError, ValueError) as exc:
            raise _unwritable("mapped", exc, self._file) from exc
        finally:
            os.close(descriptor)


def _unwritable(what: str, fault: Exception, file: Path) -> StateUnwritable:
    said = fault.strerror if isinstance(fault, OSError) else fault
    return StateUnwritable(f"The file of counts cannot be {what}: {said}.", where=str(file))
