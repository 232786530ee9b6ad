"""systemd, how it gives credentials, control groups, and who asks (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.preflight.facts import Services
from installer.preflight.findings import Finding, failed, passed, warned

SYSTEMD_FLOOR: Final = 232
"""The first with ProtectSystem=strict: before it, the service cannot be shut in."""
CREDENTIALS_FROM: Final = 247
"""The first with LoadCredential=."""


def judge(services: Services) -> Iterator[Finding]:
    yield _systemd(services)
    yield _credentials(services.systemd)
    yield _cgroups(services)
    if services.root:
        yield passed("privileges", "Asked as root: everything could be looked at.")
    else:
        yield warned(
            "privileges",
            "Asked as an ordinary user: some things could not be looked at.",
            "Ask again as root before installing: sudo ao preflight.",
        )


def _systemd(services: Services) -> Finding:
    if services.systemd is None:
        return failed(
            "systemd",
            "There is no systemd on this host; the service is started and shut in by it.",
            "Use a distribution with systemd, or the container form of the release.",
        )
    if services.systemd < SYSTEMD_FLOOR:
        return failed(
            "systemd",
            f"systemd {services.systemd} cannot shut the service in (ProtectSystem=strict needs {SYSTEMD_FLOOR}).",
            "Upgrade the distribution.",
        )
    if not services.running:
        return warned(
            "systemd",
            f"systemd {services.systemd} is installed and not running here (a container, or another root).",
            "Units can be laid down; the service starts when this system boots.",
        )
    return passed("systemd", f"systemd {services.systemd}, running.")


def _credentials(version: int | None) -> Finding:
    if version is not None and version >= CREDENTIALS_FROM:
        return passed("credentials", "Secrets reach the service by LoadCredential=, in memory only.")
    return warned(
        "credentials",
        f"systemd {version or 'is missing and'} does not know LoadCredential= (from {CREDENTIALS_FROM} on).",
        "Nothing must be done: secrets are then read from a folder that root and the service's user alone can read. "
        "They lie on the disk unencrypted; see that the disk is not.",
    )


def _cgroups(services: Services) -> Finding:
    if services.cgroups in ("unified", "hybrid"):
        return passed("cgroups", f"{services.cgroups.capitalize()} control groups: IPAddressDeny= can be enforced.")
    return warned(
        "cgroups",
        "No version 2 control groups: systemd says nothing and does not enforce IPAddressDeny= here.",
        "Keep the service's network with the host's firewall, or boot with systemd.unified_cgroup_hierarchy=1.",
    )
