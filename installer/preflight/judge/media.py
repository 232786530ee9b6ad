"""Whether sticks can be read on this host (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from installer.preflight.facts import Media
from installer.preflight.findings import Finding, passed, warned


def judge(media: Media) -> Iterator[Finding]:
    forbidden = media.forbidden & {"usb_storage", "vfat", "exfat", "uas"}
    able = (media.kernel | media.fuse) & {"vfat", "exfat"}
    if "usb_storage" in forbidden or not media.usb_storage:
        why = "forbidden by /etc/modprobe.d" if "usb_storage" in forbidden else "not in this kernel"
        yield warned(
            "removable_media",
            f"USB storage is {why}: no stick can be plugged in here.",
            "Where that is policy, carry documents in another way (a transfer folder, a disc) and name its path: "
            "ao media exchange PATH.",
        )
    elif not able:
        why = "forbidden by /etc/modprobe.d" if forbidden else "missing"
        yield warned(
            "removable_media",
            f"vfat and exfat are {why}: an ordinary stick cannot be mounted.",
            "Install the kernel's extra modules, exfat-fuse or fusefat; or format sticks with ext4.",
        )
    elif "vfat" not in able:
        yield warned("removable_media", "exfat only: a stick with FAT32 cannot be mounted.", "Load the vfat module.")
    else:
        by = "" if "vfat" in media.kernel else " (by a program, FUSE)"
        yield passed("removable_media", f"{' and '.join(sorted(able))}{by}.")
