"""Whatever fails while writing, the name holds the old document or the new one, and no temporary file is left."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from media import rename
from media.errors import MediaError, MediumFull, NotDurable, ReadOnly, Unreadable, WriteFailed
from media.writer import write_document

OLD = b"old" * 1000
NEW = b"new" * 2000
CALLS = ["open", "fstat", "read", "write", "fsync", "fchmod", "close", "replace", "rename"]


class Saboteur:
    """Lets the first `spared` system calls through, and has the next one fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, spared: int, failure: BaseException) -> None:
        self.spared = spared
        self.failure = failure
        self.struck = ""
        for name in CALLS:
            monkeypatch.setattr(os, name, self._around(name, getattr(os, name)))
        monkeypatch.setattr(rename, "_renameat2", self._around("renameat2", rename._renameat2))

    def _around(self, name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.spared -= 1
            if self.spared != -1:
                return really(*arguments, **options)
            self.struck = name
            if name == "close":  # the handle is gone even where close() reports a failure
                really(*arguments, **options)
            raise self.failure

        return call


def system_error(number: int) -> Callable[[], BaseException]:
    return lambda: OSError(number, os.strerror(number))


FAILURES = {
    "EIO": system_error(errno.EIO),
    "ENOSPC": system_error(errno.ENOSPC),
    "EDQUOT": system_error(errno.EDQUOT),
    "EROFS": system_error(errno.EROFS),
    "EACCES": system_error(errno.EACCES),
    "interrupted by the operator": KeyboardInterrupt,
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("flag_known", [True, False], ids=["renameat2", "look, then rename"])
@pytest.mark.parametrize("old", [None, OLD], ids=["new name", "replacing"])
def test_a_failure_of_any_one_system_call_leaves_old_or_new(
    tmp_path: Path, old: bytes | None, flag_known: bool, failure: Callable[[], BaseException]
) -> None:
    struck = set()
    for spared in range(200):
        folder = tmp_path / str(spared)
        folder.mkdir()
        target = folder / "usage.json"
        if old is not None:
            target.write_bytes(old)
        with pytest.MonkeyPatch.context() as monkeypatch:
            if not flag_known:
                monkeypatch.setattr(rename, "_find_renameat2", lambda: None)
            saboteur = Saboteur(monkeypatch, spared, failure())
            refusal: BaseException | None = None
            try:
                write_document(target, NEW, replace=old is not None)
            except (MediaError, KeyboardInterrupt) as caught:
                refusal = caught
        left = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
        if not saboteur.struck:
            assert left == {"usage.json": NEW}
            break
        struck.add(saboteur.struck)
        untouched = {} if old is None else {"usage.json": old}
        assert left in (untouched, {"usage.json": NEW}), saboteur.struck
        if refusal is None:  # a failure that may be passed over must not change the outcome
            assert left == {"usage.json": NEW}
    else:
        pytest.fail("the writer makes more system calls than this test expects")
    assert struck >= {"open", "fstat", "read", "write", "fsync", "fchmod", "close"}
    assert "replace" in struck if old is not None else struck & {"renameat2", "rename"}


@pytest.mark.parametrize(
    ("number", "refusal"),
    [
        (errno.ENOSPC, MediumFull),
        (errno.EDQUOT, MediumFull),
        (errno.EROFS, ReadOnly),
        (errno.EIO, WriteFailed),
        (errno.EFBIG, WriteFailed),
        (errno.EACCES, WriteFailed),
    ],
)
@pytest.mark.parametrize("call", ["write", "replace"])
def test_each_cause_has_its_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, refusal: type[MediaError]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    target = tmp_path / "usage.json"
    target.write_bytes(OLD)
    monkeypatch.setattr(os, call, failing)
    with pytest.raises(MediaError) as caught:
        write_document(target, NEW, replace=True)
    assert type(caught.value) is refusal
    assert caught.value.where == str(target)


@pytest.mark.parametrize(
    ("step", "refusal", "left"),
    [
        (1, WriteFailed, OLD),  # the new bytes
        (2, NotDurable, OLD),  # the new bytes, before they are read back
        (3, WriteFailed, NEW),  # its entry under the new name
        (4, WriteFailed, NEW),  # the folder: the name has moved on, but may not survive a power cut
        (5, NotDurable, NEW),  # the document, before it is read back under its name
    ],
)
def test_each_flush_that_fails_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, refusal: type[MediaError], left: bytes
) -> None:
    calls = 0
    really_fsync = os.fsync

    def failing(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        really_fsync(handle)

    target = tmp_path / "usage.json"
    target.write_bytes(OLD)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(refusal):
        write_document(target, NEW, replace=True)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"usage.json": left}
    # Once the medium works again, writing the same bytes again settles the matter.
    assert write_document(target, NEW, replace=True).already_there is (left == NEW)


@pytest.mark.parametrize(
    "garble",
    [
        lambda data: bytes([data[0] ^ 1]) + bytes(data[1:]),
        lambda data: bytes(len(data)),
        lambda data: bytes(data[:-1]),
        lambda data: b"",
        lambda data: bytes(data) + b"\0",
    ],
    ids=["one bit", "zeros", "last byte lost", "all lost", "one byte more"],
)
def test_a_medium_that_lies_about_what_it_stored_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, garble: Callable[[memoryview], bytes]
) -> None:
    really_write = os.write

    def lying(handle: int, data: memoryview) -> int:
        really_write(handle, garble(data))
        return len(data)

    target = tmp_path / "usage.json"
    target.write_bytes(OLD)
    monkeypatch.setattr(os, "write", lying)
    with pytest.raises(NotDurable):
        write_document(target, NEW, replace=True)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"usage.json": OLD}


def test_short_writes_are_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: really_write(handle, data[:7]))
    write_document(tmp_path / "usage.json", NEW)
    assert (tmp_path / "usage.json").read_bytes() == NEW


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_where_a_folder_cannot_be_flushed_everything_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    really_fsync = os.fsync
    flushed = []

    def files_only(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir():
            raise OSError(number, os.strerror(number))
        really_fsync(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    monkeypatch.setattr(os, "sync", lambda: flushed.append(True))
    write_document(tmp_path / "usage.json", NEW)
    assert flushed == [True]


def test_a_filesystem_without_modes_is_written_to_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchmod", refusing)
    assert write_document(tmp_path / "usage.json", NEW).size == len(NEW)


def test_an_old_file_that_cannot_be_read_is_only_replaced_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "usage.json"
    target.write_bytes(OLD)
    old = target.stat().st_ino
    really_read = os.read

    def failing(handle: int, count: int) -> bytes:
        if os.fstat(handle).st_ino == old:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really_read(handle, count)

    monkeypatch.setattr(os, "read", failing)
    with pytest.raises(Unreadable):
        write_document(target, NEW)
    write_document(target, NEW, replace=True)
    assert target.read_bytes() == NEW
