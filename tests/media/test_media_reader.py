"""A document is read once, whole or not at all, from one plain file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from media.errors import NotARegularFile, NotFound, TooLarge, Unreadable
from media.reader import LIMITS, read_document


def test_the_bytes_come_back_as_they_are(tmp_path: Path) -> None:
    document = tmp_path / "licence.json"
    for data in (b"", b"\x00\xff\r\n", os.urandom(3 * 1024 * 1024)):
        document.write_bytes(data)
        assert read_document(document, limit=4 * 1024 * 1024) == data


def test_the_limit_itself_is_allowed_and_one_byte_more_is_not(tmp_path: Path) -> None:
    document = tmp_path / "licence.json"
    document.write_bytes(b"x" * 100)
    assert read_document(document, limit=100) == b"x" * 100
    with pytest.raises(TooLarge, match="100 bytes; at most 99") as caught:
        read_document(document, limit=99)
    assert caught.value.where == str(document)


def test_every_kind_of_document_has_its_limit() -> None:
    kib = 1024
    assert dict(LIMITS) == {
        "trust": 256 * kib,
        "licence": 256 * kib,
        "config": 1024 * kib,
        "receipt": 64 * kib,
        "time": 16 * kib,
        "usage": 64 * 1024 * kib,
        "site-request": 64 * kib,
        "release": 1024 * kib,
        "passphrase": 4 * kib,
        "index": 1024 * kib,
    }


@pytest.mark.parametrize(
    "name", ["missing.json", "missing/licence.json", "file/licence.json", "nul\x00.json", "x" * 300]
)
def test_a_missing_file_is_said_to_be_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotFound):
        read_document(tmp_path / name, limit=10)


def test_a_file_is_opened_by_name_exactly_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "licence.json"
    document.write_bytes(b"{}")
    flags: list[int] = []
    really_open = os.open

    def counted(name: Path, how: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        flags.append(how)
        return really_open(name, how, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", counted)
    for by_name in ("stat", "lstat", "access"):
        monkeypatch.delattr(os, by_name)
    assert read_document(document, limit=10) == b"{}"
    assert flags == [os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY]


def test_short_reads_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "licence.json"
    data = os.urandom(1000)
    document.write_bytes(data)
    really_read = os.read
    monkeypatch.setattr(os, "read", lambda handle, count: really_read(handle, min(count, 7)))
    assert read_document(document, limit=1000) == data


def test_a_file_that_grew_past_the_limit_since_it_was_measured_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "licence.json"
    document.write_bytes(b"x" * 50)
    really_read = os.read

    def growing(handle: int, count: int) -> bytes:
        with document.open("ab") as more:
            more.write(b"y" * 30)
        return really_read(handle, min(count, 10))

    monkeypatch.setattr(os, "read", growing)
    with pytest.raises(TooLarge, match="grew"):
        read_document(document, limit=100)


def test_a_file_that_reports_no_size_is_read_to_its_end_or_the_limit() -> None:
    status = Path("/proc/self/status")
    assert status.stat().st_size == 0
    assert read_document(status, limit=64 * 1024).startswith(b"Name:")
    with pytest.raises(TooLarge):
        read_document(status, limit=10)


def test_an_input_output_error_of_the_system_is_a_refusal() -> None:
    with pytest.raises(Unreadable, match="Input/output error"):
        read_document(Path("/proc/self/mem"), limit=10)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ESTALE, errno.EAGAIN])
def test_a_file_that_cannot_be_opened_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(Unreadable) as caught:
        read_document(tmp_path / "licence.json", limit=10)
    assert os.strerror(number) in caught.value.message


def test_no_file_stays_open_after_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"xx")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with pytest.raises(TooLarge):
            read_document(tmp_path / "large", limit=1)
        with pytest.raises(NotARegularFile):
            read_document(tmp_path, limit=1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
