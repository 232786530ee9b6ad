"""Facts that a host's files tell: /proc, /sys, /etc, /lib."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal, cast

from installer.preflight.facts import Cgroups, Clock, Locale, Machine, Media, Memory, Security, Services
from installer.preflight.gather.answers import Answers
from installer.preflight.gather.host_files import HostFiles

SYSTEMD_FOLDERS: Final = ("/usr/lib/systemd", "/lib/systemd", "/usr/lib64/systemd")
PROGRAM_FOLDERS: Final = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
FUSE_PROGRAMS: Final = {"fusefat": "vfat", "mount.exfat-fuse": "exfat", "mount.exfat": "exfat"}
_KEPT_FROM_LOADING: Final = re.compile(r"^\s*(?:install\s+(\S+)\s+\S*/(?:true|false|nologin)\b|blacklist\s+(\S+))")


def machine(files: HostFiles, answers: Answers) -> Machine:
    name, _, version = (answers.libc or "").partition(" ")
    return Machine(
        answers.architecture, answers.kernel, answers.page_size, name or None, version or None, answers.libgcc
    )


def services(files: HostFiles, answers: Answers) -> Services:
    return Services(_systemd(files), files.has("/run/systemd/system"), _cgroups(files), answers.root)


def security(files: HostFiles, answers: Answers) -> Security:
    enforce = files.number("/sys/fs/selinux/enforce")
    modules = tuple(each for each in (files.read("/sys/kernel/security/lsm") or "").strip().split(",") if each)
    if not modules and (files.read("/sys/module/apparmor/parameters/enabled") or "").strip() == "Y":
        modules = ("apparmor",)
    if files.has("/sys/kernel/security/kysec") and "kysec" not in modules:
        modules = (*modules, "kysec")
    return Security(
        selinux=None if enforce is None else "enforcing" if enforce else "permissive",
        modules=modules,
        apparmor_profiles=tuple(_profiles_for_us(files)),
        fips=files.number("/proc/sys/crypto/fips_enabled") == 1,
        random_ready=answers.random_ready,
        entropy=files.number("/proc/sys/kernel/random/entropy_avail"),
        tpm=_tpm(files),
    )


def memory(files: HostFiles, answers: Answers) -> Memory:
    sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", files.read("/proc/meminfo") or "", re.MULTILINE))
    highest = files.number("/proc/sys/fs/nr_open")
    # The service manager, which is root, raises its services' limit up to nr_open; a user's own stays as it is.
    limits = [each for each in (highest, None if answers.root else answers.file_limit) if each is not None]
    return Memory(
        total=int(sizes["MemTotal"]) * 1024 if "MemTotal" in sizes else None,
        available=int(sizes["MemAvailable"]) * 1024 if "MemAvailable" in sizes else None,
        file_limit=min(limits, default=None),
    )


def clock(files: HostFiles, answers: Answers) -> Clock:
    seconds = files.number("/sys/class/rtc/rtc0/since_epoch")
    adjustment = (files.read("/etc/adjtime") or "").splitlines()
    return Clock(
        now=answers.now,
        rtc=None if seconds is None else datetime.fromtimestamp(seconds, UTC),
        rtc_local=len(adjustment) > 2 and adjustment[2].strip() == "LOCAL",
    )


def media(files: HostFiles, answers: Answers) -> Media:
    known = {line.split()[-1] for line in (files.read("/proc/filesystems") or "").splitlines() if line.strip()}
    modules = _modules(files, answers.kernel)
    forbidden = frozenset(_forbidden(files))
    kernel = known | (modules - forbidden)
    programs = {name for folder in PROGRAM_FOLDERS for name in files.names(folder)}
    fuse = {kind for program, kind in FUSE_PROGRAMS.items() if program in programs} if "fuse" in kernel else set()
    return Media(
        kernel=frozenset(kernel & {"vfat", "exfat"}),
        fuse=frozenset(fuse),
        usb_storage="usb_storage" in modules or files.has("/sys/bus/usb/drivers/usb-storage"),
        forbidden=forbidden,
    )


def locale(answers: Answers) -> Locale:
    return Locale(answers.locale_name, answers.charset, answers.locale_known)


def _systemd(files: HostFiles) -> int | None:
    """From the name of its own library, which every version has had since 231."""
    for folder in (*SYSTEMD_FOLDERS, *(f"/usr/lib/{each}/systemd" for each in files.names("/usr/lib"))):
        for name in files.names(folder):
            if found := re.match(r"libsystemd-shared-(\d+)", name):
                return int(found.group(1))
    return None


def _cgroups(files: HostFiles) -> Cgroups:
    mounts = [line.split() for line in (files.read("/proc/self/mounts") or "").splitlines()]
    kinds = {fields[1]: fields[2] for fields in mounts if len(fields) > 2}
    if kinds.get("/sys/fs/cgroup") == "cgroup2":
        return "unified"
    if kinds.get("/sys/fs/cgroup/unified") == "cgroup2":
        return "hybrid"
    return "legacy" if "cgroup" in kinds.values() else "none"


def _profiles_for_us(files: HostFiles) -> Iterator[str]:
    for line in (files.read("/sys/kernel/security/apparmor/profiles") or "").splitlines():
        name = line.rpartition(" (")[0] or line
        if name.startswith("/opt/ao") or name in ("ao", "ao-appliance"):
            yield name


def _tpm(files: HostFiles) -> Literal["1.2", "2.0", "unknown"] | None:
    if not files.names("/sys/class/tpm"):
        return None
    said = files.number("/sys/class/tpm/tpm0/tpm_version_major")
    return cast("Literal['1.2', '2.0', 'unknown']", {1: "1.2", 2: "2.0"}.get(said or 0, "unknown"))


def _modules(files: HostFiles, kernel: str) -> set[str]:
    """The modules that this kernel can load or has built in, by name."""
    for top in ("/lib/modules", "/usr/lib/modules"):
        listed = [files.read(f"{top}/{kernel}/modules.{each}") or "" for each in ("dep", "builtin")]
        if any(listed):
            lines = "\n".join(listed).splitlines()
            return {line.partition(":")[0].rpartition("/")[2].partition(".ko")[0].replace("-", "_") for line in lines}
    return set()


def _forbidden(files: HostFiles) -> Iterator[str]:
    for folder in ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"):
        for name in files.names(folder):
            if name.endswith(".conf"):
                for line in (files.read(f"{folder}/{name}") or "").splitlines():
                    if found := _KEPT_FROM_LOADING.match(line):
                        yield (found.group(1) or found.group(2)).replace("-", "_")
