"""A device tree of a host that has a stick on USB, an encrypted volume over it, a disc drive and a disk of its own."""

from __future__ import annotations

from pathlib import Path

from media.device import Host


def made_host(folder: Path) -> Host:
    """8:17 is a partition of a USB disk, 253:0 an encrypted volume over it, 11:0 a removable disc, 254:1 a disk.

    The label of the file `sdb1` in `folder`, where there is one, is BLUE, a line feed, STICK.
    """
    sysfs = folder / "sys"
    numbers = sysfs / "dev" / "block"
    numbers.mkdir(parents=True)
    port = sysfs / "devices" / "pci0" / "usb1" / "1-2"
    partition = port / "host0" / "block" / "sdb" / "sdb1"
    partition.mkdir(parents=True)
    (partition / "partition").write_text("1\n")
    (partition.parent / "removable").write_text("0\n")
    (port / "idVendor").write_text("0781\n")
    (port / "remove").touch()
    disc = sysfs / "devices" / "ata1" / "block" / "sr0"
    volume = sysfs / "devices" / "virtual" / "block" / "dm-0"
    disk = sysfs / "devices" / "pci0" / "virtio1" / "block" / "vda" / "vda1"
    for each in (disc, volume / "slaves", disk):
        each.mkdir(parents=True)
    (disc / "removable").write_text("1\n")
    (disk / "partition").write_text("1\n")
    (volume / "slaves" / "sdb1").symlink_to(partition)
    for number, device in {"8:17": partition, "253:0": volume, "11:0": disc, "254:1": disk}.items():
        (numbers / number).symlink_to(device)
    labels = folder / "by-label"
    labels.mkdir()
    (labels / "BLUE\\x0aSTICK").symlink_to(folder / "sdb1")
    return Host(sysfs, labels)
