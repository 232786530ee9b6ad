"""The parts of a bundle that tell of the host: system, versions, unit, state folder, settings."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import ssl
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from installer.layout import CURRENT, RELEASES, UNIT
from installer.preflight import Report
from installer.support.bundle import Part
from installer.support.forms import looks_secret
from installer.support.pick import pick
from installer.support.shapes import OS, SETTINGS
from installer.support.shapes import UNIT as UNIT_SHAPE
from licensing.document import format_time
from licensing.version import BUILD_TIME, __version__

_KNOWN_FILES: Final = re.compile(
    r"ao\.db(-wal|-shm)?|site\.key|trust\.pin|quota(\.lock)?|board|[a-z]{1,20}\.(lock|sock)"
)
_KNOWN_FOLDERS: Final = re.compile(r"journal|sealed|out|slots|metrics|health|snapshots|damaged-[0-9TZ]{1,20}")
_VERSION: Final = re.compile(r"[0-9A-Za-z.+~_-]{1,64}")


def system_part() -> Part:
    """Distribution and kernel; no host name, no address, no serial number."""
    told = dict(_os_release())
    picked = pick({name: value for name, value in told.items() if name in OS}, OS)
    record = {
        "os": picked.value,
        "kernel": os.uname().release,
        "architecture": os.uname().machine,
        "processors": os.cpu_count(),
        "uptime_seconds": _uptime(),
    }
    return Part("system", "distribution, kernel, processors, how long it has been up", [record], picked.left_out)


def versions_part() -> Part:
    packages = {
        each.name: each.version
        for each in importlib.metadata.distributions()
        if each.name and _VERSION.fullmatch(each.name) and _VERSION.fullmatch(each.version)
    }
    record = {
        "release": __version__,
        "built": format_time(BUILD_TIME),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "libc": " ".join(platform.libc_ver()),
        "packages": dict(sorted(packages.items())),
        "releases": [each for each in _names(Path(RELEASES)) if _VERSION.fullmatch(each)],
        "current": _current(),
    }
    return Part("versions", "this release, its libraries, and the releases that lie on this host", [record])


def unit_part() -> Part:
    """What systemd says of the service; nothing of its environment."""
    told = {}
    if Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
        done = subprocess.run(
            ["systemctl", "show", UNIT, "-p", ",".join(UNIT_SHAPE)], capture_output=True, text=True, check=False
        )
        told = dict(line.partition("=")[::2] for line in done.stdout.splitlines() if "=" in line)
    picked = pick({name: value for name, value in told.items() if value}, UNIT_SHAPE)
    return Part("service", "how systemd sees the service: state, restarts, memory", [picked.value], picked.left_out)


def state_part(folder: Path) -> Part:
    """Names, sizes, modes and owners of the files that the appliance makes; of others only how many."""
    records: list[dict[str, Any]] = []
    others = 0
    for name in _names(folder):
        path = folder / name
        facts = path.lstat()
        if stat.S_ISREG(facts.st_mode) and _KNOWN_FILES.fullmatch(name):
            records.append({"file": name, "bytes": facts.st_size, **_kept_by(facts)})
        elif stat.S_ISDIR(facts.st_mode) and _KNOWN_FOLDERS.fullmatch(name):
            sizes = [each.lstat().st_size for each in path.rglob("*") if each.is_file()]
            records.append({"folder": name, "files": len(sizes), "bytes": sum(sizes), **_kept_by(facts)})
        elif not stat.S_ISSOCK(facts.st_mode):
            others += 1
    left = (f"{others} files of other names",) if others else ()
    return Part("state", "the state folder's files: name, size, mode, owner's number", records, left)


def settings_part(settings: Mapping[str, Any]) -> Part:
    picked = pick(settings, SETTINGS)
    return Part("settings", "the host's settings, those that this release knows", [picked.value], picked.left_out)


def preflight_part(report: Report) -> Part:
    """Its findings, but for what it read off this host in a form that a key could have."""
    findings = [asdict(each) for each in report.findings]
    kept = [each for each in findings if not looks_secret(f"{each['seen']} {each['where']}")]
    left = tuple(f"what {each['check']} saw" for each in findings if each not in kept)
    record = {"verdict": report.verdict.value, "findings": kept}
    return Part("preflight", "what ao preflight finds: each check's verdict, what it saw, what to do", [record], left)


def _kept_by(facts: os.stat_result) -> dict[str, Any]:
    return {"mode": oct(facts.st_mode & 0o7777), "owner": facts.st_uid}


def _os_release() -> list[tuple[str, str]]:
    try:
        return sorted(platform.freedesktop_os_release().items())
    except OSError:
        return []


def _uptime() -> int | None:
    try:
        return int(float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]))
    except (OSError, ValueError, IndexError):
        return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir())
    except OSError:
        return []


def _current() -> str | None:
    try:
        name = Path(CURRENT).readlink().name
    except OSError:
        return None
    return name if _VERSION.fullmatch(name) else None
