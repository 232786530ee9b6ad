"""Tries: files and folders that change while they are looked at: growing, swapped for links or for other bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from licensing.errors import Refusal
from media.beneath import Beneath
from media.errors import MediaError
from media.reader import LIMITS
from tests.attacks.media.hostile_stick import make_stick

SECRET = b"root:$6$secret\n"
LOOKS = 400


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            with suppress(OSError):
                act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("kernel_resolves", [True, False])
def test_a_folder_swapped_for_a_link_meanwhile_never_leads_out(tmp_path: Path, kernel_resolves: bool) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "licence.json").write_bytes(SECRET)
    stick = make_stick(tmp_path)
    genuine = (stick.inbox / "licence.json").read_bytes()
    aside, link = stick.path / "aside", stick.path / "link"
    link.symlink_to(outside)

    def swap() -> None:
        stick.inbox.rename(aside)
        link.rename(stick.inbox)
        stick.inbox.rename(link)
        aside.rename(stick.inbox)

    read = refused = 0
    with meanwhile(swap), Beneath.open(stick.path, kernel_resolves=kernel_resolves) as root:
        for _ in range(LOOKS):
            try:
                data = root.read(("AO", "to-site", stick.inbox.name, "licence.json"), limit=LIMITS["licence"])
            except MediaError:
                refused += 1
            else:
                assert data == genuine
                read += 1
    assert read + refused == LOOKS


def test_a_file_that_grows_while_it_is_read_stays_within_its_limit(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    target = stick.inbox / "licence.json"
    with target.open("ab") as growing:
        block = b"x" * 65536

        def grow() -> None:
            if growing.tell() < 64 * 1024 * 1024:
                growing.write(block)
                growing.flush()

        with meanwhile(grow), Beneath.open(stick.path) as root:
            for _ in range(50):
                with suppress(Refusal):
                    data = root.read(("AO", "to-site", stick.inbox.name, "licence.json"), limit=LIMITS["licence"])
                    assert len(data) <= LIMITS["licence"]


def test_bytes_swapped_after_the_read_change_nothing(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    target = stick.inbox / "licence.json"
    genuine, other = target.read_bytes(), stick.path / "other"

    def swap() -> None:
        other.write_bytes(b'{"payloadType":"spoilt"}')
        other.replace(target)
        other.write_bytes(genuine)
        other.replace(target)

    seen = set()
    with meanwhile(swap), Beneath.open(stick.path) as root:
        for _ in range(LOOKS):
            with suppress(MediaError):
                seen.add(root.read(("AO", "to-site", stick.inbox.name, "licence.json"), limit=LIMITS["licence"]))
    assert seen <= {genuine, b'{"payloadType":"spoilt"}', b""}
