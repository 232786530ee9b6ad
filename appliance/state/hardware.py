"""What this host is made of, as far as the kernel tells: facts that a licence may be bound to.

Read fresh each time, because hardware changes. A fact that cannot be read is simply not there. What leaves the site are
salted digests (licensing/binding.py), never these values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from licensing.binding import fact_digest

VALUES_LIMIT = 64
"""No more values of one fact are named, however many network cards a host has."""

_SAYS_NOTHING = re.compile(
    r"(?i)none|unknown|default string|invalid|oem|to be filled.*|not (specified|applicable|available|present).*|"
    r"(system|base ?board|board|chassis)? ?serial( number| num)?|0123456789|123456789|"
    r"03000200-0400-0500-0006-000700080009"
)
"""What firmware writes where it has nothing to say; no identity is made of that."""


def read_hardware(root: Path = Path("/")) -> Mapping[str, frozenset[str]]:
    """Values by fact: machine_id, dmi_uuid, board_serial, mac, disk_serial, vmgenid. Empty facts are left out."""
    sys = root / "sys"
    facts = {
        "machine_id": [root / "etc/machine-id"],
        "dmi_uuid": [sys / "class/dmi/id/product_uuid"],
        "board_serial": [sys / "class/dmi/id/board_serial"],
        "mac": [interface / "address" for interface in _entries(sys / "class/net") if (interface / "device").exists()],
        "disk_serial": [file for disk in _entries(sys / "block") for file in (disk / "serial", disk / "device/serial")],
    }
    found = {name: frozenset(value for file in files if (value := _value(file))) for name, files in facts.items()}
    found["vmgenid"] = _generation(sys / "firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw")
    return {name: values for name, values in found.items() if values}


def hardware_digests(site: str, hardware: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """The same facts as they may be written down."""
    return {
        name: frozenset(fact_digest(site, name, value) for value in sorted(values)[:VALUES_LIMIT])
        for name, values in hardware.items()
    }


def _generation(file: Path) -> frozenset[str]:
    """The VM Generation ID, which a hypervisor changes when it starts a machine from a snapshot or a copy.

    QEMU hands it over at byte 40 of the page that it gives the firmware (its docs/specs/vmgenid). Only root reads it.
    """
    try:
        identity = file.read_bytes()[40:56]
    except OSError:
        return frozenset()
    return frozenset({identity.hex()}) if any(identity) else frozenset()


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _value(file: Path) -> str:
    try:
        value = file.read_text(encoding="utf-8", errors="replace").strip().lower()
    except OSError:
        return ""
    letters = set(value) - set("-:. _")
    return "" if len(letters) <= 1 or _SAYS_NOTHING.fullmatch(value) else value
