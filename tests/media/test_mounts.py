"""The kernel's table of mounts is read as the kernel writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import NotFound
from media.medium import Medium, media_here, medium_at
from media.mounts import mount_of, parse_mounts
from tests.media.devices import made_host

USB = "36 27 8:17 / /run/media/eve/A\\040STICK rw,nosuid,nodev,relatime shared:9 - vfat /dev/sdb1 rw,fmask=0022\n"
TABLE = (
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "28 27 0:5 / /dev rw,nosuid - devtmpfs udev rw\n"
    "30 27 11:0 / /mnt/disc ro,nosuid,nodev,noexec,relatime - iso9660 /dev/sr0 ro\n" + USB
)


def here(folder: Path, table: str = TABLE) -> list[Medium]:
    """The media of a mount table, with a sysfs in which 8:17 hangs on USB and 11:0 is removable."""
    (folder / "mountinfo").write_bytes(table.encode())
    return media_here(mountinfo=folder / "mountinfo", host=made_host(folder))


def test_a_stick_and_a_disc_are_found_and_the_hosts_own_disk_is_not(tmp_path: Path) -> None:
    found = {str(each.path): each for each in here(tmp_path)}
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
    assert [str(each.path) for each in here(tmp_path, TABLE + over)] == ["/mnt/disc"]


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


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\r", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_label_with_odd_line_ends_neither_hides_its_stick_nor_makes_another(tmp_path: Path, end: str) -> None:
    label = f"A{end}36\\04027\\0408:17\\040/\\040/\\040rw"
    found = here(tmp_path, USB.replace("A\\040STICK", label))
    assert [str(each.path) for each in found] == [f"/run/media/eve/A{end}36 27 8:17 / / rw"]
    assert found[0].description.isprintable()


@pytest.mark.parametrize("path", ["/", "/boot", "/boot/efi", "/home", "/var/lib/ao"])
def test_what_the_host_runs_from_is_no_medium_even_on_a_stick(tmp_path: Path, path: str) -> None:
    assert here(tmp_path, USB.replace("/run/media/eve/A\\040STICK", path)) == []


def test_an_encrypted_stick_is_found_by_what_it_lies_on(tmp_path: Path) -> None:
    (medium,) = here(tmp_path, "36 27 253:0 / /mnt/secret rw - ext4 /dev/mapper/luks-1 rw\n")
    assert medium.why == "on USB"


def test_a_stick_has_its_label(tmp_path: Path) -> None:
    source = tmp_path / "sdb1"
    source.touch()
    (medium,) = here(tmp_path, USB.replace("/dev/sdb1", str(source)))
    assert medium.label == "BLUE\nSTICK"
    assert '"BLUE\\nSTICK"' in medium.description


@given(st.text(max_size=300))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    parse_mounts(text)


@given(st.binary(min_size=1, max_size=40).filter(lambda name: not set(name) & set(b"/\0")))
def test_a_name_comes_back_as_the_bytes_it_was(name: bytes) -> None:
    special = set(b" \t\n\\")
    escaped = "".join(f"\\{byte:03o}" if byte in special else chr(byte) for byte in name)
    raw = escaped.encode("latin-1").decode("utf-8", "surrogateescape")
    line = f"36 27 8:17 / /mnt/{raw} rw - vfat /dev/sdb1 rw"
    (mount,) = parse_mounts(line)
    assert os.fsencode(mount.path) == os.fsencode(Path(os.fsdecode(b"/mnt/" + name)))
