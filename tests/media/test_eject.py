"""A medium is said to be safe to remove once it is; its power goes off only where nothing else of it is in use."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from media.eject import eject
from media.errors import WriteFailed
from media.medium import NAMED, Medium
from media.mounts import Mount, parse_mounts
from tests.media.devices import made_host

SAFE = "Everything is on the medium, and it is unmounted: safe to remove."
OFF = "Its power is off."


def mount(folder: Path, *, device: str = "8:17", filesystem: str = "vfat", source: str = "/dev/sdb1") -> Mount:
    return parse_mounts(f"36 27 {device} / {folder} rw - {filesystem} {source} rw")[0]


def stick(folder: Path, *, why: str = "on USB", filesystem: str = "vfat", source: str = "/dev/sdb1") -> Medium:
    return Medium(folder, mount(folder, filesystem=filesystem, source=source), why, None, None)


def failing(number: int) -> Callable[[Path], None]:
    def unmount(_: Path) -> None:
        raise OSError(number, os.strerror(number))

    return unmount


class Programs:
    """Those of the host that are there; each is noted when it is run."""

    def __init__(self, *there: str) -> None:
        self.there = there
        self.ran: list[str] = []

    def __call__(self, words: Sequence[str]) -> bool:
        if words[0] not in self.there:
            return False
        self.ran.append(" ".join(words))
        return True


def test_a_stick_is_unmounted_and_its_port_is_switched_off(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    unmounted: list[Path] = []
    said = eject(stick(tmp_path), host=host, mounts=list, run=Programs(), unmount=unmounted.append)
    assert said == [SAFE, OFF]
    assert unmounted == [tmp_path]
    assert (tmp_path / "sys/devices/pci0/usb1/1-2/remove").read_text() == "1\n"


def test_the_power_stays_on_while_something_else_of_the_disk_is_mounted(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    others = lambda: [mount(Path("/mnt/other"), device="253:0")]  # noqa: E731 - read once, right below
    said = eject(stick(tmp_path), host=host, mounts=others, run=Programs("udisksctl"), unmount=lambda _: None)
    assert said == [SAFE]
    assert (tmp_path / "sys/devices/pci0/usb1/1-2/remove").read_text() == ""


def test_udisks_is_asked_where_there_is_one(tmp_path: Path) -> None:
    programs = Programs("udisksctl")
    said = eject(stick(tmp_path), host=made_host(tmp_path), mounts=list, run=programs, unmount=failing(errno.EPERM))
    assert said == [SAFE, OFF]
    assert [each.split()[1] for each in programs.ran] == ["unmount", "power-off"]
    assert all(each.endswith("--block-device /dev/sdb1") for each in programs.ran)


def test_what_a_user_mounted_through_fuse_is_unmounted_by_its_own_program(tmp_path: Path) -> None:
    programs = Programs("fusermount")
    medium = stick(tmp_path, filesystem="fuse.exfat", source="exfat", why="mounted for a person")
    assert SAFE in eject(medium, host=made_host(tmp_path), mounts=list, run=programs, unmount=failing(errno.EPERM))
    assert programs.ran == [f"fusermount -u {tmp_path}"]


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EBUSY, "a program still uses it"), (errno.EPERM, "not allowed to this user")]
)
def test_what_stays_mounted_is_never_called_safe(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(WriteFailed, match=words):
        eject(stick(tmp_path), host=made_host(tmp_path), mounts=list, run=Programs(), unmount=failing(number))
    assert (tmp_path / "sys/devices/pci0/usb1/1-2/remove").read_text() == ""


def test_a_folder_within_a_stick_ejects_the_stick(tmp_path: Path) -> None:
    inner = tmp_path / "AO"
    inner.mkdir()
    unmounted: list[Path] = []
    medium = Medium(inner, mount(tmp_path), "on USB", None, None)
    eject(medium, host=made_host(tmp_path), mounts=list, run=Programs(), unmount=unmounted.append)
    assert unmounted == [tmp_path]


def test_a_folder_of_this_host_is_flushed_and_left_mounted(tmp_path: Path) -> None:
    medium = Medium(tmp_path, mount(tmp_path.parent, device="254:1"), NAMED, None, None)
    (said,) = eject(medium, host=made_host(tmp_path), mounts=list, run=Programs(), unmount=failing(errno.EIO))
    assert "nothing to unmount" in said
