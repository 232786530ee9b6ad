"""The facts of a host that the judgements follow from: plain, frozen values (pure).

None means that the host does not say. Bytes are bytes, times are seconds unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal


@dataclass(frozen=True, slots=True)
class Machine:
    """`kernel` as `uname -r` says it; `libc` names the C library ("glibc") and its version ("2.28"); `libgcc`: the
    compiler's own library can be loaded."""

    architecture: str
    kernel: str
    page_size: int
    libc: str | None
    libc_version: str | None
    libgcc: bool


Cgroups = Literal["unified", "hybrid", "legacy", "none"]


@dataclass(frozen=True, slots=True)
class Services:
    """`systemd` is its version where it is installed; `running` says that it is the first process of this host."""

    systemd: int | None
    running: bool
    cgroups: Cgroups
    root: bool


@dataclass(frozen=True, slots=True)
class Security:
    """`modules` are the kernel's security modules in force; `apparmor_profiles` those whose name leads to a path of
    the appliance; `selinux` is None where the kernel has none in force. `fips`: the kernel's FIPS mode is on."""

    selinux: Literal["enforcing", "permissive"] | None
    modules: tuple[str, ...]
    apparmor_profiles: tuple[str, ...]
    fips: bool
    random_ready: bool
    entropy: int | None
    tpm: Literal["1.2", "2.0", "unknown"] | None


@dataclass(frozen=True, slots=True)
class Flushing:
    """What `rounds` times 4 KiB and fdatasync did. Microseconds. `flushes` is by how many the device's own count of
    flushes rose, None where the kernel counts none; `cache` is what the kernel knows of the device's cache."""

    rounds: int
    median: float
    worst: float
    flushes: int | None
    cache: Literal["write back", "write through"] | None


@dataclass(frozen=True, slots=True)
class Folder:
    """Where something will lie: `path` as asked for, `found` the nearest folder that exists. `inodes` are None where
    the filesystem does not count them. `flushing` is None where nothing could be written, for the reason `unwritable`.
    """

    path: PurePosixPath
    found: PurePosixPath
    purpose: Literal["release", "state"]
    filesystem: str
    options: frozenset[str]
    free: int
    inodes_free: int | None
    flushing: Flushing | None
    unwritable: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; `file_limit` is the most files that one process may ever be allowed to hold open."""

    total: int | None
    available: int | None
    file_limit: int | None


@dataclass(frozen=True, slots=True)
class Clock:
    """`rtc` is what the hardware's clock says, read at `now`; `rtc_local`: it is kept in local time."""

    now: datetime
    rtc: datetime | None
    rtc_local: bool


@dataclass(frozen=True, slots=True)
class Listening:
    """`fault` is why the address could not be listened on; `first_unprivileged` the lowest port that
    needs no privilege; `ours`: the appliance itself may be what listens there."""

    host: str
    port: int
    fault: Literal["taken", "not ours", "not permitted", "other"] | None
    first_unprivileged: int
    ours: bool


@dataclass(frozen=True, slots=True)
class Media:
    """Filesystems of sticks that can be mounted: `kernel` has them or can load them, `fuse` by a program.
    `forbidden` are modules that the host's own configuration keeps from loading."""

    kernel: frozenset[str]
    fuse: frozenset[str]
    usb_storage: bool
    forbidden: frozenset[str]


@dataclass(frozen=True, slots=True)
class Locale:
    """`name` as the environment says it; `charset` is what the interpreter makes of it; `known`: the host has it."""

    name: str
    charset: str
    known: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """A whole host. `fsync_disabled`: a library that makes fsync do nothing is loaded into programs started here;
    `listening` is None where no address was asked about."""

    machine: Machine
    services: Services
    security: Security
    folders: tuple[Folder, ...]
    fsync_disabled: bool
    memory: Memory
    clock: Clock
    listening: Listening | None
    media: Media
    locale: Locale
