"""For each check what makes it pass, warn and fail: one change to a good host each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from installer.preflight.facts import Facts
from installer.preflight.findings import Verdict
from tests.installer.preflight.good_host import BUILT, FLUSHING, GOOD, NOW, folder

PASS, WARN, FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL
MIB = 2**20


@dataclass(frozen=True)
class Case:
    """`says` is part of the sentence; `remedy` part of what to do."""

    check: str
    verdict: Verdict
    facts: Facts
    says: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.check}-{self.verdict}-{self.says}"


def _with(subject: str, **changes: Any) -> Facts:
    return replace(GOOD, **{subject: replace(getattr(GOOD, subject), **changes)})


def _at(now: datetime) -> Facts:
    return _with("clock", now=now, rtc=now)


def _state(**changes: Any) -> Facts:
    return replace(GOOD, folders=(GOOD.folders[0], folder("state", **changes)))


def _release(**changes: Any) -> Facts:
    return replace(GOOD, folders=(folder("release", **changes), GOOD.folders[1]))


def _flushed(**changes: Any) -> Facts:
    return _state(flushing=replace(FLUSHING, **changes))


CASES = (
    Case("architecture", PASS, GOOD, "x86_64"),
    Case("architecture", PASS, _with("machine", architecture="aarch64"), "aarch64"),
    Case("architecture", FAIL, _with("machine", architecture="loongarch64"), "loongarch64", "Use a host of one"),
    Case("kernel", PASS, _with("machine", kernel="4.19.90-25.10.v2101.ky10.aarch64"), "4.19.90"),
    Case("kernel", WARN, _with("machine", kernel="3.18.0"), "older than any", "Upgrade"),
    Case("kernel", WARN, _with("machine", kernel="vendor-special"), "names no version", "4.18"),
    Case("kernel", FAIL, _with("machine", kernel="3.10.0-1160.el7.x86_64"), "getrandom", "Upgrade"),
    Case("page_size", PASS, GOOD, "4 KiB"),
    Case("page_size", PASS, _with("machine", architecture="aarch64", page_size=65536), "64 KiB"),
    Case("page_size", FAIL, _with("machine", page_size=65536), "65536 bytes", "Boot a kernel"),
    Case("page_size", FAIL, _with("machine", architecture="aarch64", page_size=8192), "8192 bytes", "Boot a kernel"),
    Case("glibc", PASS, _with("machine", libc_version="2.28"), "2.28"),
    Case("glibc", FAIL, _with("machine", libc_version="2.17"), "2.17", "newer release"),
    Case("glibc", FAIL, _with("machine", libc=None, libc_version=None), "not known", "container form"),
    Case("libgcc", PASS, GOOD, "is there"),
    Case("libgcc", FAIL, _with("machine", libgcc=False), "no libgcc_s.so.1", "libgcc-s1"),
    Case("systemd", PASS, _with("services", systemd=243), "243, running"),
    Case("systemd", WARN, _with("services", running=False), "not running here", "when this system boots"),
    Case("systemd", FAIL, _with("services", systemd=219), "ProtectSystem", "Upgrade"),
    Case("systemd", FAIL, _with("services", systemd=None), "no systemd", "container form"),
    Case("credentials", PASS, _with("services", systemd=247), "LoadCredential="),
    Case("credentials", WARN, _with("services", systemd=246), "246 does not know", "unencrypted"),
    Case("cgroups", PASS, _with("services", cgroups="hybrid"), "Hybrid"),
    Case("cgroups", WARN, _with("services", cgroups="legacy"), "not enforce", "firewall"),
    Case("privileges", PASS, GOOD, "root"),
    Case("privileges", WARN, _with("services", root=False), "ordinary user", "sudo"),
    Case("selinux", PASS, GOOD, "Not in force"),
    Case("selinux", PASS, _with("security", selinux="permissive"), "Permissive"),
    Case("selinux", WARN, _with("security", selinux="enforcing"), "enforcing", "restorecon"),
    Case("apparmor", PASS, GOOD, "no profile for the appliance"),
    Case("apparmor", WARN, _with("security", apparmor_profiles=("/opt/ao/current/bin/ao",)), "/opt/ao", "aa-complain"),
    Case("security_module", PASS, GOOD, "None but"),
    Case("security_module", WARN, _with("security", modules=("capability", "kysec")), "kysec", "approve"),
    Case("fips", PASS, GOOD, "off"),
    Case("fips", WARN, _with("security", fips=True), "not a validated module", "works"),
    Case("disk_space", PASS, GOOD, "40960 MiB"),
    Case("disk_space", WARN, _state(free=2000 * MIB), "2000 MiB", "5120 MiB"),
    Case("disk_space", WARN, _release(free=700 * MIB), "700 MiB", "1024 MiB"),
    Case("disk_space", FAIL, _state(free=300 * MIB), "300 MiB", "Make room"),
    Case("inodes", PASS, _state(inodes_free=None, filesystem="btrfs"), "as needed"),
    Case("inodes", WARN, _state(inodes_free=20_000), "20000", "df -i"),
    Case("inodes", FAIL, _state(inodes_free=12), "12 free", "Free inodes"),
    Case("filesystem", PASS, _state(filesystem="ext4"), "ext4"),
    Case("filesystem", PASS, _release(filesystem="nfs4"), "nfs4"),
    Case("filesystem", WARN, _state(filesystem="overlay"), "own layer", "volume"),
    Case("filesystem", WARN, _state(filesystem="tmpfs"), "after a reboot", "ext4 or xfs"),
    Case("filesystem", WARN, _state(filesystem="reiserfs"), "not been tried", "ext4 or xfs"),
    Case("filesystem", FAIL, _state(filesystem="nfs4"), "another machine", "local"),
    Case("filesystem", FAIL, _state(filesystem="vfat"), "no owners", "ext4"),
    Case("filesystem", FAIL, _state(options=frozenset({"ro"})), "read-only", "writable"),
    Case("filesystem", FAIL, _release(options=frozenset({"rw", "noexec"})), "noexec", "without noexec"),
    Case("fsync", PASS, GOOD, "median 1.8 ms, worst 5.2 ms of 24, 25 flushes"),
    Case("fsync", PASS, _flushed(flushes=None, cache=None, median=60.0), "median 60 us"),
    Case("fsync", PASS, _flushed(flushes=0, cache="write through"), "0 flushes"),
    Case("fsync", WARN, _flushed(median=1.4), "quicker than any disk", "power cut"),
    Case("fsync", WARN, _flushed(flushes=0), "no flush ever reached it", "power cut"),
    Case("fsync", WARN, _state(options=frozenset({"rw", "nobarrier"})), "nobarrier", "power cut"),
    Case("fsync", WARN, _state(filesystem="tmpfs"), "to nowhere", "power cut"),
    Case("fsync", WARN, _state(filesystem="overlay"), "cannot be seen", "power cut"),
    Case("fsync", WARN, _flushed(median=45_000.0), "median 45.0 ms", "quicker disk"),
    Case("fsync", WARN, _state(flushing=None, unwritable="Permission denied"), "Permission denied", "root"),
    Case("fsync", FAIL, _flushed(median=2_000_000.0), "2000.0 ms", "use another"),
    Case("fsync", FAIL, replace(GOOD, fsync_disabled=True), "eatmydata", "LD_PRELOAD"),
    Case("memory", PASS, GOOD, "8192 MiB, 6144 MiB of it free"),
    Case("memory", WARN, _with("memory", total=1024 * MIB), "1024 MiB", "2048 MiB"),
    Case("memory", WARN, _with("memory", available=100 * MIB), "100 MiB of it free", "ps aux"),
    Case("memory", WARN, _with("memory", total=None), "does not say", "2 GiB"),
    Case("memory", FAIL, _with("memory", total=256 * MIB), "256 MiB", "512 MiB"),
    Case("open_files", PASS, GOOD, "1048576"),
    Case("open_files", WARN, _with("memory", file_limit=20_000), "20000", "sysctl"),
    Case("open_files", WARN, _with("memory", file_limit=None), "cannot be read", "sysctl"),
    Case("open_files", FAIL, _with("memory", file_limit=1024), "1024", "sysctl"),
    Case("clock", PASS, GOOD, "2027-03-01 09:00 UTC"),
    Case("clock", PASS, _at(BUILT), "2026-11-23"),
    Case("clock", WARN, _at(BUILT + timedelta(days=1096)), "three years", "newer release"),
    Case("clock", FAIL, _at(BUILT - timedelta(seconds=1)), "made on 2026-11-23", "date -u -s"),
    Case("rtc", PASS, _with("clock", rtc=NOW - timedelta(seconds=120)), "agrees"),
    Case("rtc", WARN, _with("clock", rtc=NOW - timedelta(seconds=121)), "121 s behind", "hwclock --systohc"),
    Case("rtc", WARN, _with("clock", rtc=NOW + timedelta(hours=8)), "28800 s ahead", "hwclock --systohc"),
    Case("rtc", WARN, _with("clock", rtc=NOW + timedelta(hours=8), rtc_local=True), "local time", "timedatectl"),
    Case("rtc", WARN, _with("clock", rtc=None), "No hardware clock", "virtual machine"),
    Case("port", PASS, GOOD, "Free"),
    Case("port", PASS, _with("listening", fault="taken", ours=True), "as it should be"),
    Case("port", WARN, _with("listening", port=443), "below 1024", "ip_unprivileged_port_start"),
    Case("port", WARN, _with("listening", port=443, fault="not permitted"), "below 1024", "Choose one from 1024"),
    Case("port", FAIL, _with("listening", fault="taken"), "Another program", "ss -ltnp"),
    Case("port", FAIL, _with("listening", fault="not ours"), "no such address", "ip address"),
    Case("port", FAIL, _with("listening", fault="not permitted"), "policy", "Ask who"),
    Case("port", FAIL, _with("listening", fault="other"), "Nothing can listen", "127.0.0.1"),
    Case("entropy", PASS, GOOD, "ready"),
    Case("entropy", WARN, _with("security", entropy=60), "60 bits", "virtio-rng"),
    Case("entropy", FAIL, _with("security", random_ready=False), "could be guessed", "virtio-rng"),
    Case("tpm", PASS, GOOD, "TPM 2.0"),
    Case("tpm", PASS, _with("security", tpm=None), "None"),
    Case("tpm", WARN, _with("security", tpm="1.2"), "1.2", "firmware"),
    Case("removable_media", PASS, GOOD, "exfat and vfat."),
    Case(
        "removable_media",
        PASS,
        _with("media", kernel=frozenset(), fuse=frozenset({"vfat"})),
        "vfat (by a program, FUSE)",
    ),
    Case("removable_media", WARN, _with("media", kernel=frozenset()), "are missing", "fusefat"),
    Case("removable_media", WARN, _with("media", kernel=frozenset({"exfat"})), "exfat only", "vfat module"),
    Case("removable_media", WARN, _with("media", usb_storage=False), "not in this kernel", "transfer folder"),
    Case(
        "removable_media",
        WARN,
        _with("media", usb_storage=False, forbidden=frozenset({"usb_storage"})),
        "forbidden by /etc/modprobe.d",
        "ao media exchange PATH",
    ),
    Case("locale", PASS, _with("locale", name="C", charset="ANSI_X3.4-1968"), "C (ANSI"),
    Case("locale", WARN, _with("locale", name="zh_CN.GB18030", charset="GB18030"), "GB18030", "C.UTF-8"),
    Case("locale", WARN, _with("locale", name="xx_YY.UTF-8", known=False), "not installed", "locale -a"),
)
