"""What a mount lies on, as the kernel's device tree tells: whether it can be carried away, its label, its USB port.

A filesystem may lie on a partition, on an encrypted volume over one, or have a number that is no device's (btrfs,
FUSE); each leads to the disks beneath. Nothing here changes anything.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media.mounts import Mount

_LAYERS: Final = 8
_LABELS: Final = 1000
_HEX: Final = re.compile(r"\\x([0-9a-f]{2})")
_USB_ROOT: Final = re.compile(r"usb[0-9]+")


@dataclass(frozen=True, slots=True)
class Host:
    """Where the host tells of its devices."""

    sysfs: Path = Path("/sys")
    labels: Path = Path("/dev/disk/by-label")


def why_carried(mount: Mount, host: Host) -> str | None:
    """What makes this something that can be carried away; None where the devices say nothing of the kind."""
    devices = list(devices_beneath(mount, host))
    if any(_says_removable(folder) for device in devices for folder in (device, device.parent)):
        return "removable"
    if any(_USB_ROOT.fullmatch(part) for device in devices for part in device.parts):
        return "on USB"
    return None


def devices_beneath(mount: Mount, host: Host) -> Iterator[Path]:
    """The partitions or disks, as folders in sysfs, that hold this filesystem."""
    number = mount.device if not mount.device.startswith("0:") else _number_of(mount.source)
    if number is not None:
        yield from _lowest(host.sysfs / "dev" / "block" / number, _LAYERS)


def disks_beneath(mount: Mount, host: Host) -> set[Path]:
    """The whole disks: a partition's folder lies in its disk's."""
    return {device.parent if (device / "partition").exists() else device for device in devices_beneath(mount, host)}


def usb_port(mount: Mount, host: Host) -> Path | None:
    """The USB device's folder with its `remove` file, where the one disk beneath hangs on USB."""
    disks = disks_beneath(mount, host)
    if len(disks) != 1:
        return None
    return next(
        (each for each in disks.pop().parents if (each / "idVendor").exists() and (each / "remove").exists()), None
    )


def label_of(mount: Mount, host: Host) -> str | None:
    """The filesystem's label as udev knows it. A sender chose it: `shown` before it is shown."""
    try:
        device = Path(mount.source).resolve()
        with os.scandir(host.labels) as entries:
            for _, entry in zip(range(_LABELS), entries, strict=False):
                if Path(entry.path).resolve() == device:
                    return _unescaped(entry.name)
    except (OSError, RuntimeError, ValueError):
        return None
    return None


def _lowest(device: Path, layers: int) -> Iterator[Path]:
    try:
        here = device.resolve(strict=True)
        slaves = sorted((here / "slaves").iterdir()) if (here / "slaves").is_dir() else []
    except (OSError, RuntimeError):
        return
    if slaves and layers:
        for slave in slaves:
            yield from _lowest(slave, layers - 1)
    else:
        yield here


def _number_of(source: str) -> str | None:
    try:
        facts = Path(source).stat() if source.startswith("/dev/") else None
    except (OSError, ValueError):
        return None
    if facts is None or not stat.S_ISBLK(facts.st_mode):
        return None
    return f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}"


def _says_removable(folder: Path) -> bool:
    try:
        return (folder / "removable").read_text(encoding="ascii").strip() == "1"
    except (OSError, UnicodeDecodeError):
        return False


def _unescaped(name: str) -> str:
    raw = _HEX.sub(lambda found: chr(int(found.group(1), 16)), os.fsencode(name).decode("latin-1"))
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")
