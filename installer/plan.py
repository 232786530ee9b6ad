"""What an installation does, in order: facts of the host, answers and a release in, steps out.

Promise: pure. The same facts give the same steps, so that a run that was cut off is planned again and goes on; every
step before the link `current` can be taken back without anybody having noticed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from installer import units
from installer.answers import Answers
from installer.layout import (
    COMMAND,
    CONFIG,
    CURRENT,
    DROP_INS,
    ENABLED,
    NETWORK_DROP_IN,
    SECRETS,
    SECRETS_DROP_IN,
    SETTINGS,
    STATE,
    UNIT,
    UNIT_FILE,
    USER,
    WANTS,
    Layout,
)
from installer.steps import (
    ROOT,
    CopyRelease,
    MakeFolder,
    MakeUser,
    Owner,
    PointLink,
    ReloadUnits,
    StartUnit,
    Step,
    WriteFile,
)


@dataclass(frozen=True, slots=True)
class Host:
    """What the plan depends on. `systemd` is 0 where the host has none; `running`: it is process 1 and answers;
    `may_serve`: there is a site in the state folder; `secrets` are the names of the files in /etc/ao/secrets."""

    layout: Layout
    systemd: int
    running: bool
    may_serve: bool
    secrets: tuple[str, ...] = ()

    @property
    def has_credentials(self) -> bool:
        return self.systemd >= units.CREDENTIALS_SINCE


@dataclass(frozen=True, slots=True)
class Release:
    """A release's tree, read and found whole."""

    tree: PurePosixPath
    version: str


Steps = tuple[Step, ...]


def install(host: Host, answers: Answers, release: Release) -> Steps:
    """Every step of a first installation, and of one that is repeated."""
    target = host.layout.release(release.version)
    own = Owner(USER, USER)
    return (
        MakeUser(USER, STATE),
        *folders(host, own),
        CopyRelease(release.tree, release.version, target),
        PointLink(CURRENT, target),
        WriteFile(SETTINGS, units.settings(answers).encode(), once=True, holds_data=True),
        *unit_files(host, answers),
        PointLink(COMMAND, CURRENT / "bin" / "ao"),
        PointLink(ENABLED, UNIT_FILE),
        *([ReloadUnits()] if host.running else []),
        *([StartUnit(UNIT)] if host.running and host.may_serve and answers.start else []),
    )


def folders(host: Host, own: Owner) -> Steps:
    """Secrets are root's where systemd hands them on; otherwise the gateway's group reads them, and nobody else."""
    return (
        *_parents(SETTINGS, STATE, DROP_INS / "x", WANTS / "x", COMMAND),
        MakeFolder(
            SECRETS,
            0o700 if host.has_credentials else 0o750,
            ROOT if host.has_credentials else Owner("root", USER),
            True,
        ),
        replace(MakeFolder(STATE, 0o700, own), holds_data=True),
    )


def unit_files(host: Host, answers: Answers) -> tuple[WriteFile, ...]:
    """The three files of the unit."""
    secrets = units.Secrets(host.secrets, host.has_credentials)
    return (
        WriteFile(UNIT_FILE, units.service(answers, host.systemd).encode()),
        WriteFile(NETWORK_DROP_IN, units.network(answers.allow).encode()),
        WriteFile(SECRETS_DROP_IN, units.secrets(secrets).encode()),
    )


def _parents(*paths: PurePosixPath) -> tuple[MakeFolder, ...]:
    """Every folder above; those that a host has already are recognised, and are not taken away again."""
    found = {parent: None for path in paths for parent in reversed(path.parents) if parent != PurePosixPath("/")}
    return tuple(MakeFolder(path, holds_data=path == CONFIG) for path in found)
