"""The kernel's table of mounts is read as the kernel writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import NotFound
from media.medium import media_here, medium_at
from media.mounts import mount_of, parse_mounts

USB = "36 27 8:17 / /run/media/eve/A\\040STICK rw,nosuid,nodev,relatime shared:9 - vfat /dev/sdb1 rw,fmask=0022\n"
TABLE = (
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "28 27 0:5 / /dev rw,nosuid - devtmpfs udev rw\n"
    "30 27 11:0 / /mnt/disc ro,nosuid,nodev,noexec,relatime - iso9660 /dev/sr0 ro\n" + USB
)


def tables(folder: Path, table: str = TABLE) -> dict[str, Path]:
    """A mount table, and a sysfs in which 8:17 hangs on USB and 11:0 is removable."""
    (folder / "mountinfo").write_text(table)
    sysfs = folder / "sys"
    (sysfs / "dev" / "block").mkdir(parents=True)
    usb = sysfs / "devices" / "pci0" / "usb1" / "1-2" / "block" / "sdb" / "sdb1"
    usb.mkdir(parents=True)
    (usb.parent / "removable").write_text("0\n")
    disc = sysfs / "devices" / "ata1" / "block" / "sr0"
    disc.mkdir(parents=True)
    (disc / "removable").write_text("1\n")
    (sysfs / "dev" / "block" / "8:17").symlink_to(usb)
    (sysfs / "dev" / "block" / "11:0").symlink_to(disc)
    return {"mountinfo": folder / "mountinfo", "sysfs": sysfs}


def test_a_stick_and_a_disc_are_found_and_the_hosts_own_disk_is_not(tmp_path: Path) -> None:
    found = {str(each.path): each for each in media_here(**tables(tmp_path))}
    assert {path: each.why for path, each in found.items()} == {
        "/mnt/disc": "removable",
        "/run/media/eve/A STICK": "on USB",
    }
    assert found["/mnt/disc"].warnings(writing=False) == []
    (warning,) = found["/run/media/eve/A STICK"].warnings(writing=True)
    assert "not mounted noexec" in warning
    (warning,) = found["/run/media/eve/A STICK"].warnings(writing=False)
    assert "not mounted ro,noexec" in warning


def test_what_lies_under_a_later_mount_is_not_shown(tmp_path: Path) -> None:
    over = "40 36 0:50 / /run/media/eve/A\\040STICK rw - tmpfs none rw\n"
    assert [str(each.path) for each in media_here(**tables(tmp_path, TABLE + over))] == ["/mnt/disc"]


def test_a_path_that_is_named_is_a_medium_whatever_it_is(tmp_path: Path) -> None:
    medium = medium_at(tmp_path)
    assert medium.why == "named by you"
    assert medium.free
    with pytest.raises(NotFound):
        medium_at(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(NotFound):
        medium_at(tmp_path / "file")


def test_this_hosts_own_table_can_be_read() -> None:
    mounts = parse_mounts(Path("/proc/self/mountinfo").read_text())
    assert mount_of(mounts, Path("/")) is not None
    assert mount_of(mounts, Path("/proc/self/fd")) is not None


@given(st.text(max_size=300))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    parse_mounts(text)


@given(st.binary(min_size=1, max_size=40).filter(lambda name: not set(name) & set(b"/\0")))
def test_a_name_comes_back_as_the_bytes_it_was(name: bytes) -> None:
    special = set(b" \t\n\\")
    escaped = "".join(f"\\{byte:03o}" if byte in special or byte < 32 else chr(byte) for byte in name)
    raw = escaped.encode("latin-1").decode("utf-8", "surrogateescape")
    line = f"36 27 8:17 / /mnt/{raw} rw - vfat /dev/sdb1 rw"
    if "\x85" in line or "\u2028" in line or "\u2029" in line or " - " in raw:
        return  # the table is read by lines
    (mount,) = parse_mounts(line)
    assert os.fsencode(mount.path) == os.fsencode(Path(os.fsdecode(b"/mnt/" + name)))
