"""Files that a hostile medium may hold: each is refused with its stated code, at once and in little memory."""

from __future__ import annotations

import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from media.errors import MediaError, NotARegularFile, NotFound, TooLarge
from media.reader import LIMITS, read_document
from media.writer import write_document

LIMIT = LIMITS["licence"]
SECRET = b"root:$6$secret\n"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Attack:
    """Something laid out in a folder under a name that `build` returns, and the code that reading it must meet."""

    name: str
    build: Callable[[Path], Path]
    code: str


def secret(folder: Path) -> Path:
    path = folder / "shadow"
    path.write_bytes(SECRET)
    return path


def link_to(target: Callable[[Path], Path | str]) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        path = folder / "licence.json"
        path.symlink_to(target(folder))
        return path

    return build


def subfolder(folder: Path) -> Path:
    path = folder / "folder"
    path.mkdir()
    return path


def relative_link_in_a_chain(folder: Path) -> Path:
    secret(folder)
    (folder / "second").symlink_to("shadow")
    (folder / "licence.json").symlink_to("second")
    return folder / "licence.json"


def link_to_itself(folder: Path) -> Path:
    (folder / "licence.json").symlink_to("licence.json")
    return folder / "licence.json"


def hard_link(folder: Path) -> Path:
    (folder / "licence.json").hardlink_to(secret(folder))
    return folder / "licence.json"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "licence.json")
    return folder / "licence.json"


def listening_socket(folder: Path) -> Path:
    here = Path.cwd()
    os.chdir(folder)  # the address of a socket may have only some hundred characters
    try:
        with socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.bind("licence.json")
            endpoint.listen()
    finally:
        os.chdir(here)
    return folder / "licence.json"


def sparse(size: int) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        path = folder / "licence.json"
        path.touch()
        os.truncate(path, size)
        return path

    return build


def folder_in_place_of_the_file(folder: Path) -> Path:
    (folder / "licence.json").mkdir()
    return folder / "licence.json"


ATTACKS = [
    Attack("link to a file", link_to(secret), "media_not_regular"),
    Attack("link to a folder", link_to(subfolder), "media_not_regular"),
    Attack("relative link", link_to(lambda folder: secret(folder).name), "media_not_regular"),
    Attack("absolute link", link_to(lambda _: "/etc/passwd"), "media_not_regular"),
    Attack("link that climbs out", link_to(lambda _: "../" * 30 + "etc/passwd"), "media_not_regular"),
    Attack("dangling link", link_to(lambda _: "nowhere"), "media_not_regular"),
    Attack("chain of links", relative_link_in_a_chain, "media_not_regular"),
    Attack("link to itself", link_to_itself, "media_not_regular"),
    Attack("link to a device that never ends", link_to(lambda _: "/dev/zero"), "media_not_regular"),
    Attack("link to the standard input", link_to(lambda _: "/dev/stdin"), "media_not_regular"),
    Attack("hard link", hard_link, "media_not_regular"),
    Attack("pipe without a writer", pipe, "media_not_regular"),
    Attack("socket", listening_socket, "media_not_regular"),
    Attack("folder in place of the file", folder_in_place_of_the_file, "media_not_regular"),
    Attack("device that never ends", lambda _: Path("/dev/zero"), "media_not_regular"),
    Attack("device without anything", lambda _: Path("/dev/null"), "media_not_regular"),
    Attack("sparse file of a terabyte", sparse(1 << 40), "media_too_large"),
    Attack("one byte too many", sparse(LIMIT + 1), "media_too_large"),
    Attack("kernel file that cannot be read", lambda _: Path("/proc/self/mem"), "media_unreadable"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: str(attack.name))
def test_a_hostile_file_is_refused_at_once(tmp_path: Path, attack: Attack) -> None:
    path = attack.build(tmp_path)
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(MediaError) as caught:
            read_document(path, limit=LIMIT)
        took, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == attack.code
    assert SECRET.decode().strip() not in str(caught.value.as_dict())
    assert took < 1
    assert peak < LIMIT + 4 * MIB


HOSTILE_NAMES = {
    "line feed": b"licence\nall is well.json",
    "carriage return": b"licence.json\rall is well",
    "escape that clears the screen": b"\x1b[2J\x1b[Hlicence.json",
    "escape that sets the window's title": b"\x1b]0;owned\x07.json",
    "C1 control": "\x9b31mlicence.json".encode(),
    "right-to-left override": "licence\u202enosj.exe".encode(),
    "isolates": "\u2066licence\u2069.json".encode(),
    "zero-width": "lic\u200bence.json".encode(),
    "bytes that are not UTF-8": b"licence\xff\x9b31m.json",
    "a single dot in front": b".\x1b[8m",
    "as long as a name may be": b"\x1b" * 255,
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
@pytest.mark.parametrize("kind", ["missing", "link", "folder", "too large", "taken"])
def test_a_hostile_name_is_harmless_in_every_message(tmp_path: Path, kind: str, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    if kind == "link":
        path.symlink_to("nowhere")
    elif kind == "folder":
        path.mkdir()
    elif kind in ("too large", "taken"):
        path.write_bytes(b"xxx")
    with pytest.raises(MediaError) as caught:
        _ = write_document(path, b"y") if kind == "taken" else read_document(path, limit=2)
    for text in (str(caught.value), *caught.value.as_dict().values()):
        assert text.isprintable()
        assert len(text) < 400
        assert text.encode("utf-8").decode("utf-8") == text


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES.keys())
def test_a_hostile_name_still_names_its_file(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"{}")
    assert read_document(path, limit=2) == b"{}"


# -- races -------------------------------------------------------------------------------------------------------------


@pytest.fixture(name="meanwhile")
def _meanwhile() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Runs an action over and over beside the test, until the test is over."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def start(action: Callable[[], None]) -> None:
        def repeat() -> None:
            while not over.is_set():
                action()

        threads.append(threading.Thread(target=repeat))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.timeout(60)
def test_a_file_that_grows_while_it_is_read_never_gives_more_than_the_limit(
    tmp_path: Path, meanwhile: Callable[[Callable[[], None]], None]
) -> None:
    document = tmp_path / "licence.json"
    document.touch()

    def grow_and_shrink() -> None:
        with document.open("ab") as more:
            for _ in range(8):
                more.write(b"x" * (LIMIT // 4))
                more.flush()
        os.truncate(document, 0)

    meanwhile(grow_and_shrink)
    refused = 0
    until = time.monotonic() + 10
    tracemalloc.start()
    try:
        while refused < 20 and time.monotonic() < until:
            try:
                data = read_document(document, limit=LIMIT)
            except TooLarge:
                refused += 1
            else:
                assert len(data) <= LIMIT
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused
    assert peak < 8 * MIB


@pytest.mark.timeout(60)
def test_a_name_swapped_for_a_link_while_it_is_read_never_gives_the_links_target(
    tmp_path: Path, meanwhile: Callable[[Callable[[], None]], None]
) -> None:
    document = tmp_path / "licence.json"
    document.write_bytes(b"{}")
    target = secret(tmp_path)

    def swap() -> None:
        (tmp_path / "link").symlink_to(target)
        (tmp_path / "link").replace(document)
        (tmp_path / "plain").write_bytes(b"{}")
        (tmp_path / "plain").replace(document)

    meanwhile(swap)
    seen: set[bytes | str] = set()
    until = time.monotonic() + 10
    while not {b"{}", "media_not_regular"} <= seen and time.monotonic() < until:
        for _ in range(200):
            try:
                seen.add(read_document(document, limit=LIMIT))
            except (NotARegularFile, NotFound) as refusal:
                seen.add(refusal.code)
    assert seen == {b"{}", "media_not_regular"}


@pytest.mark.timeout(60)
def test_a_folder_swapped_while_writing_cannot_lead_the_document_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, moved, elsewhere = tmp_path / "outbox", tmp_path / "moved", tmp_path / "elsewhere"
    outbox.mkdir()
    elsewhere.mkdir()
    really_fsync = os.fsync

    def swapping(handle: int) -> None:
        really_fsync(handle)
        if not moved.exists():
            outbox.rename(moved)
            outbox.symlink_to(elsewhere)

    monkeypatch.setattr(os, "fsync", swapping)
    write_document(outbox / "usage.json", b"{}")
    assert list(elsewhere.iterdir()) == []
    assert (moved / "usage.json").read_bytes() == b"{}"
