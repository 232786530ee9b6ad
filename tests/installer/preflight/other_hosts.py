"""Trees of /proc, /sys, /etc and /lib as other hosts have them, and what their kernels would answer.

Kylin's and UOS' are put together from what those systems are known to ship; no such host was at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from installer.preflight.gather import Answers, HostFiles

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
MODULES = "kernel/fs/fat/vfat.ko.xz: kernel/fs/fat/fat.ko.xz\nkernel/drivers/usb/storage/usb-storage.ko.xz:\n"
FILESYSTEMS = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tfuse\n\text4\n\txfs\n"
UNIFIED = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"
LEGACY = (
    "tmpfs /sys/fs/cgroup tmpfs ro,nosuid 0 0\n"
    "cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n"
    "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
)

ANSWERS = Answers(
    architecture="x86_64",
    kernel="5.10.0-28-amd64",
    page_size=4096,
    libc="glibc 2.31",
    libgcc=True,
    root=True,
    random_ready=True,
    file_limit=1024,
    now=NOW,
    locale_name="en_US.UTF-8",
    locale_known=True,
    charset="UTF-8",
)


@dataclass(frozen=True)
class Host:
    """`files` by path; `warns` and `fails` are the checks that do, and nothing else does."""

    name: str
    answers: Answers
    files: Mapping[str, str]
    warns: frozenset[str] = field(default=frozenset())
    fails: frozenset[str] = field(default=frozenset())

    def __str__(self) -> str:
        return self.name

    def below(self, root: Path) -> HostFiles:
        for path, text in self.files.items():
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return HostFiles(root)


def usual(kernel: str, systemd: str, *, epoch: datetime = NOW, **more: str) -> dict[str, str]:
    """What nearly every host has; `more` by names in which a slash is written as two underscores."""
    return {
        "/proc/meminfo": "MemTotal:       16384000 kB\nMemFree:  1000 kB\nMemAvailable:    9000000 kB\n",
        "/proc/filesystems": FILESYSTEMS,
        "/proc/self/mounts": UNIFIED,
        "/proc/sys/fs/nr_open": "1048576\n",
        "/proc/sys/kernel/random/entropy_avail": "256\n",
        "/proc/sys/crypto/fips_enabled": "0\n",
        "/sys/class/rtc/rtc0/since_epoch": f"{int(epoch.timestamp())}\n",
        "/sys/kernel/security/lsm": "capability,yama",
        "/sys/class/tpm/tpm0/tpm_version_major": "2\n",
        "/run/systemd/system/.here": "",
        f"/usr/lib/systemd/{systemd}": "",
        f"/lib/modules/{kernel}/modules.dep": MODULES,
    } | {path.replace("__", "/"): text for path, text in more.items()}


KYLIN = "4.19.90-25.10.v2101.ky10.aarch64"
UOS = "4.19.0-amd64-desktop"
ENTERPRISE_9 = "5.14.0-427.13.1.el9_4.aarch64+64k"

HOSTS = (
    Host("Debian 11", ANSWERS, usual(ANSWERS.kernel, "libsystemd-shared-247.so")),
    Host(
        "Kylin V10, aarch64 with 64 KiB pages",
        replace(ANSWERS, architecture="aarch64", kernel=KYLIN, page_size=65536, libc="glibc 2.28"),
        usual(KYLIN, "libsystemd-shared-243.so")
        | {
            "/proc/self/mounts": LEGACY,
            "/sys/kernel/security/lsm": "capability,yama,selinux,kysec",
            "/sys/fs/selinux/enforce": "0",
            "/proc/sys/kernel/random/entropy_avail": "3710\n",
        },
        warns=frozenset({"credentials", "cgroups", "security_module"}),
    ),
    Host(
        "UOS 20, with a hardware clock in local time",
        replace(ANSWERS, kernel=UOS, libc="glibc 2.28", locale_name="zh_CN.GB18030", charset="GB18030"),
        usual(UOS, "libsystemd-shared-241.so")
        | {
            "/proc/self/mounts": LEGACY,
            "/etc/adjtime": "0.0 0 0.0\n0\nLOCAL\n",
            "/sys/class/rtc/rtc0/since_epoch": str(int(NOW.timestamp()) + 8 * 3600),
        },
        warns=frozenset({"credentials", "cgroups", "rtc", "locale"}),
    ),
    Host(
        "Enterprise Linux 9, hardened: FIPS, SELinux enforcing, no USB storage",
        replace(ANSWERS, architecture="aarch64", kernel=ENTERPRISE_9, page_size=65536, libc="glibc 2.34"),
        usual(ENTERPRISE_9, "libsystemd-shared-252-32.el9_4.so")
        | {
            "/proc/sys/crypto/fips_enabled": "1\n",
            "/sys/kernel/security/lsm": "lockdown,capability,landlock,yama,selinux,bpf",
            "/sys/fs/selinux/enforce": "1",
            "/etc/modprobe.d/hardening.conf": "# policy\ninstall usb-storage /bin/false\nblacklist firewire-core\n",
        },
        warns=frozenset({"fips", "selinux", "removable_media"}),
    ),
    Host(
        "a virtual machine without vfat, clock and entropy",
        replace(ANSWERS, random_ready=False, now=datetime(2000, 1, 1, tzinfo=UTC)),
        {
            path: text
            for path, text in usual(ANSWERS.kernel, "libsystemd-shared-247.so").items()
            if not path.startswith(("/sys/class/rtc", "/sys/class/tpm"))
        }
        | {f"/lib/modules/{ANSWERS.kernel}/modules.dep": "kernel/drivers/usb/storage/usb-storage.ko:\n"},
        warns=frozenset({"rtc", "removable_media"}),
        fails=frozenset({"clock", "entropy"}),
    ),
    Host(
        "the same with exfat by FUSE alone",
        ANSWERS,
        usual(ANSWERS.kernel, "libsystemd-shared-247.so")
        | {
            f"/lib/modules/{ANSWERS.kernel}/modules.dep": "",
            f"/lib/modules/{ANSWERS.kernel}/modules.builtin": "kernel/drivers/usb/storage/usb-storage.ko\n",
            "/usr/sbin/mount.exfat-fuse": "",
            "/usr/sbin/fusefat": "",
        },
    ),
    Host(
        "CentOS 7",
        replace(ANSWERS, kernel="3.10.0-1160.el7.x86_64", libc="glibc 2.17"),
        usual("3.10.0-1160.el7.x86_64", "libsystemd-shared-219.so") | {"/proc/self/mounts": LEGACY},
        warns=frozenset({"credentials", "cgroups"}),
        fails=frozenset({"kernel", "glibc", "systemd"}),
    ),
    Host(
        "Alpine on loongarch64, asked by a user",
        replace(ANSWERS, architecture="loongarch64", page_size=16384, libc=None, root=False),
        {path: text for path, text in usual(ANSWERS.kernel, "nothing").items() if not path.startswith("/run")}
        | {"/proc/self/maps": "7f00 r-xp /usr/lib/libeatmydata.so.1.3.0\n"},
        warns=frozenset({"credentials", "privileges"}),
        fails=frozenset({"architecture", "glibc", "systemd", "fsync", "open_files"}),
    ),
)
