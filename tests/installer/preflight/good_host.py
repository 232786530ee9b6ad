"""The facts of a host that has everything, to be made worse one at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

from installer.preflight.facts import (
    Clock,
    Facts,
    Flushing,
    Folder,
    Listening,
    Locale,
    Machine,
    Media,
    Memory,
    Security,
    Services,
)

BUILT = datetime(2026, 11, 23, tzinfo=UTC)
NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
GIB = 2**30

FLUSHING = Flushing(rounds=24, median=1800.0, worst=5200.0, flushes=25, cache="write back")


def folder(purpose: str = "state", **changes: object) -> Folder:
    path = PurePosixPath("/var/lib/ao" if purpose == "state" else "/opt/ao")
    usual: dict[str, object] = {
        "path": path,
        "found": path.parent,
        "purpose": purpose,
        "filesystem": "xfs",
        "options": frozenset({"rw", "relatime"}),
        "free": (40 if purpose == "state" else 20) * GIB,
        "inodes_free": 1_000_000,
        "flushing": FLUSHING if purpose == "state" else None,
    }
    return Folder(**(usual | changes))  # type: ignore[arg-type]


GOOD = Facts(
    machine=Machine("x86_64", "5.10.0-28-amd64", 4096, "glibc", "2.31", libgcc=True),
    services=Services(systemd=252, running=True, cgroups="unified", root=True),
    security=Security(
        selinux=None,
        modules=("lockdown", "capability", "landlock", "yama", "apparmor"),
        apparmor_profiles=(),
        fips=False,
        random_ready=True,
        entropy=256,
        tpm="2.0",
    ),
    folders=(folder("release"), folder("state")),
    fsync_disabled=False,
    memory=Memory(total=8 * GIB, available=6 * GIB, file_limit=1_048_576),
    clock=Clock(now=NOW, rtc=NOW, rtc_local=False),
    listening=Listening("0.0.0.0", 8443, None, 1024, ours=False),
    media=Media(frozenset({"vfat", "exfat"}), frozenset(), usb_storage=True, forbidden=frozenset()),
    locale=Locale("en_GB.UTF-8", "UTF-8", known=True),
)
