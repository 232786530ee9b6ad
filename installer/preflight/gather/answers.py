"""What only the kernel and the C library can tell this process."""

from __future__ import annotations

import ctypes
import locale
import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

LIBGCC: Final = "libgcc_s.so.1"


@dataclass(frozen=True, slots=True)
class Answers:
    """`libc` is "glibc 2.36" or the like; `file_limit` this process' own; `charset` what text is written in."""

    architecture: str
    kernel: str
    page_size: int
    libc: str | None
    libgcc: bool
    root: bool
    random_ready: bool
    file_limit: int | None
    now: datetime
    locale_name: str
    locale_known: bool
    charset: str


def ask_this_host(now: datetime, environment: Mapping[str, str]) -> Answers:
    names = os.uname()
    name = next((environment[each] for each in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(each)), "")
    return Answers(
        architecture=names.machine,
        kernel=names.release,
        page_size=os.sysconf("SC_PAGE_SIZE"),
        libc=_libc(),
        libgcc=_has_libgcc(),
        root=os.geteuid() == 0,
        random_ready=_random_ready(),
        file_limit=_file_limit(),
        now=now,
        locale_name=name,
        locale_known=_is_known(name),
        charset=_charset(name),
    )


def _libc() -> str | None:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (OSError, ValueError):
        return None


def _has_libgcc() -> bool:
    try:
        ctypes.CDLL(LIBGCC)
    except OSError:
        return False
    return True


def _random_ready() -> bool:
    try:
        return len(os.getrandom(16, os.GRND_NONBLOCK)) == 16
    except OSError:
        return False


def _file_limit() -> int | None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _is_known(name: str) -> bool:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name or "C")
    except locale.Error:
        return False
    finally:
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, before)
    return True


def _charset(name: str) -> str:
    """The charset that a locale's name ends with; where it names none, the one that this process uses."""
    named = name.partition("@")[0].partition(".")[2]
    return named or locale.getencoding()
