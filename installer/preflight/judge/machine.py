"""Architecture, kernel, page size, C library and locale (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from installer.preflight.facts import Locale, Machine
from installer.preflight.findings import Finding, failed, passed, warned

ARCHITECTURES: Final = ("x86_64", "aarch64")
PAGE_SIZES: Final = {"x86_64": (4096,), "aarch64": (4096, 16384, 65536)}
LIBC: Final = (2, 28)
"""The bundle's floor: Kylin V10 and UOS 20 have it."""
KERNEL_FLOOR: Final = (3, 17)
"""The first with getrandom(2): without it no key can be made that is known to be random."""
KERNEL_GOOD: Final = (4, 18)
"""The oldest that the appliance is tried on in kind (4.18 of Enterprise Linux 8, 4.19 of Kylin V10 and UOS 20)."""


def judge(machine: Machine) -> Iterator[Finding]:
    yield _architecture(machine.architecture)
    yield _kernel(machine.kernel)
    yield _page_size(machine)
    yield _libc(machine)
    yield _libgcc(there=machine.libgcc)


def judge_locale(locale: Locale) -> Iterator[Finding]:
    name = locale.name or "none"
    if not locale.known:
        yield warned(
            "locale",
            f"The locale {name} is not installed on this host.",
            "Use one that `locale -a` lists, for example: export LC_ALL=C.UTF-8 (or LC_ALL=C).",
        )
    elif locale.charset.lower().replace("-", "") not in ("utf8", "ascii", "ansi_x3.41968", "usascii"):
        yield warned(
            "locale",
            f"Text is written as {locale.charset} (locale {name}); names outside ASCII may show wrongly.",
            "Run commands with a UTF-8 locale, for example: LC_ALL=C.UTF-8 ao status. Files are UTF-8 in any case.",
        )
    else:
        yield passed("locale", f"{name} ({locale.charset}).")


def _architecture(name: str) -> Finding:
    if name in ARCHITECTURES:
        return passed("architecture", f"{name}.")
    return failed(
        "architecture",
        f"This host is {name}; releases are made for {' and '.join(ARCHITECTURES)}.",
        "Use a host of one of those two (on aarch64: Kunpeng, Phytium, Ampere, Graviton).",
    )


def _kernel(release: str) -> Finding:
    version = _version(release)
    if version is None:
        return warned(
            "kernel", f"The kernel calls itself {release}, which names no version.", "Ask for a kernel from 4.18 on."
        )
    if version < KERNEL_FLOOR:
        return failed(
            "kernel",
            f"Linux {release} cannot vouch for the randomness of keys (no getrandom).",
            "Upgrade the host to Linux 4.18 or newer.",
        )
    if version < KERNEL_GOOD:
        return warned(
            "kernel",
            f"Linux {release} is older than any that the appliance was tried on (4.18).",
            "Upgrade the host where you can. Limits on the service's addresses may not be enforced by so old a kernel.",
        )
    return passed("kernel", f"Linux {release}.")


def _page_size(machine: Machine) -> Finding:
    known = PAGE_SIZES.get(machine.architecture, PAGE_SIZES["aarch64"])
    if machine.page_size in known:
        return passed("page_size", f"{machine.page_size // 1024} KiB.")
    return failed(
        "page_size",
        f"Memory pages of {machine.page_size} bytes; programs of this release are laid out for "
        f"{', '.join(str(each // 1024) for each in known)} KiB.",
        "Boot a kernel with one of those page sizes.",
    )


def _libc(machine: Machine) -> Finding:
    if machine.libc != "glibc" or machine.libc_version is None:
        return failed(
            "glibc",
            f"The C library is {machine.libc or 'not known'}; the release needs glibc 2.28 or newer.",
            "Use a distribution with glibc (not Alpine), or the container form of the release.",
        )
    version = _version(machine.libc_version)
    if version is None or version < LIBC:
        return failed(
            "glibc",
            f"glibc {machine.libc_version}; the release needs 2.28 or newer.",
            "Use a newer release of the distribution (Kylin V10, UOS 20, Debian 10, Enterprise Linux 8 or later).",
        )
    return passed("glibc", f"glibc {machine.libc_version}.")


def _libgcc(*, there: bool) -> Finding:
    if there:
        return passed("libgcc", "libgcc_s.so.1 is there.")
    return failed(
        "libgcc",
        "There is no libgcc_s.so.1, which compiled parts of the release are linked with.",
        "Install it from the distribution's own media: libgcc-s1 (Debian) or libgcc (Kylin, UOS, RHEL).",
    )


def _version(text: str) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else None
