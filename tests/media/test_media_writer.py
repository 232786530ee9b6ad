"""A document is on the medium under its own name, or it is not; nothing else is left there."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from media import rename
from media.errors import AlreadyThere, NotARegularFile, NotFound, WriteFailed
from media.writer import Written, write_document


@pytest.fixture(params=["renameat2", "no renameat2", "flag unknown to the filesystem"])
def _any_rename(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way in which a new file can get its name."""
    if request.param == "no renameat2":
        monkeypatch.setattr(rename, "_find_renameat2", lambda: None)
    elif request.param == "flag unknown to the filesystem":
        monkeypatch.setattr(rename, "_RENAME_NOREPLACE", 1 << 30)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.usefixtures("_any_rename")
@pytest.mark.parametrize("data", [b"", b"{}\n", os.urandom(3 * 1024 * 1024)], ids=["empty", "small", "large"])
def test_a_new_document_is_written_and_described(tmp_path: Path, data: bytes) -> None:
    target = tmp_path / "usage.json"
    written = write_document(target, data)
    assert written == Written(target, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), already_there=False)
    assert target.read_bytes() == data
    assert names(tmp_path) == ["usage.json"]
    assert target.stat().st_nlink == 1


@pytest.mark.usefixtures("_any_rename")
def test_the_same_bytes_again_change_nothing_and_say_so(tmp_path: Path) -> None:
    target = tmp_path / "usage.json"
    first = write_document(target, b"one")
    before = target.stat()
    for replace in (False, True):
        again = write_document(target, b"one", replace=replace)
        assert again == Written(target, first.sha256, 3, already_there=True)
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.usefixtures("_any_rename")
@pytest.mark.parametrize("other", [b"", b"two", b"on", b"one and more"])
def test_other_bytes_are_kept_unless_replacing_is_asked_for(tmp_path: Path, other: bytes) -> None:
    target = tmp_path / "usage.json"
    target.write_bytes(other)
    with pytest.raises(AlreadyThere) as caught:
        write_document(target, b"one")
    assert caught.value.where == str(target)
    assert target.read_bytes() == other
    assert not write_document(target, b"one", replace=True).already_there
    assert target.read_bytes() == b"one"
    assert names(tmp_path) == ["usage.json"]


@pytest.mark.usefixtures("_any_rename")
@pytest.mark.parametrize("replace", [False, True])
def test_a_link_or_folder_under_the_name_is_refused_and_left_alone(tmp_path: Path, replace: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    before = names(tmp_path)
    for name in ("link", "dangling", "folder"):
        with pytest.raises(NotARegularFile):
            write_document(tmp_path / name, b"one", replace=replace)
    assert elsewhere.read_bytes() == b"precious"
    assert names(tmp_path) == before


@pytest.mark.usefixtures("_any_rename")
def test_a_name_that_is_taken_while_writing_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "usage.json"
    really_fsync = os.fsync

    def racing(handle: int) -> None:
        target.write_bytes(b"theirs")
        really_fsync(handle)

    monkeypatch.setattr(os, "fsync", racing)
    with pytest.raises(AlreadyThere, match="meanwhile"):
        write_document(target, b"ours")
    assert target.read_bytes() == b"theirs"
    assert names(tmp_path) == ["usage.json"]


def test_of_many_writers_of_one_name_exactly_one_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "usage.json"
    start = threading.Barrier(8)
    written: list[bytes] = []
    refused: list[bytes] = []

    def write(data: bytes) -> None:
        start.wait()
        try:
            write_document(target, data)
        except AlreadyThere:
            refused.append(data)
        else:
            written.append(data)

    threads = [threading.Thread(target=write, args=(b"%d" % number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(written), len(refused)) == (1, 7)
    assert target.read_bytes() == written[0]
    assert names(tmp_path) == ["usage.json"]


def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        write_document(tmp_path / "open", b"x")
        write_document(tmp_path / "closed", b"x", mode=0o600)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "closed").stat().st_mode) == 0o600


def test_temporary_names_fit_a_filesystem_of_eight_and_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    really_fsync = os.fsync

    def looking(handle: int) -> None:
        seen.extend(names(tmp_path))
        really_fsync(handle)

    monkeypatch.setattr(os, "fsync", looking)
    write_document(tmp_path / "usage.json", b"x")
    temporary = set(seen) - {"usage.json"}
    assert len(temporary) == 1
    assert re.fullmatch(r"[a-z0-9]{1,8}\.tmp", temporary.pop())


def test_a_temporary_name_that_someone_laid_out_as_a_link_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "aoaaaaaa.tmp").symlink_to(victim)
    choices = iter(["aaaaaa", "bbbbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(choices))
    write_document(tmp_path / "usage.json", b"x")
    assert victim.read_bytes() == b"precious"
    assert names(tmp_path) == ["aoaaaaaa.tmp", "usage.json", "victim"]


def test_a_folder_without_any_free_temporary_name_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aoaaaaaa.tmp").touch()
    monkeypatch.setattr("secrets.token_hex", lambda _: "aaaaaa")
    with pytest.raises(WriteFailed):
        write_document(tmp_path / "usage.json", b"x")
    assert names(tmp_path) == ["aoaaaaaa.tmp"]


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("missing", "file"):
        with pytest.raises(NotFound, match="no such folder"):
            write_document(tmp_path / folder / "usage.json", b"x")


@pytest.mark.parametrize("name", ["nul\x00.json", "x" * 300, "nul\x00/usage.json"])
def test_an_impossible_name_is_a_refusal(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteFailed):
        write_document(tmp_path / name, b"x")
    assert names(tmp_path) == []
