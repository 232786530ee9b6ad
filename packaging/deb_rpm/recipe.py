"""What nfpm is told to pack: the release's tree as it is, the documents, and what the package needs.

Promise: every file and folder is listed with its own mode and one date, and every folder below ours is the package's,
so that nothing is left when it goes. nfpm looks for nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bundle import bill
from bundle.facts import Facts
from bundle.manifest import ordered
from deb_rpm.documents import MAINTAINER
from deb_rpm.names import PACKAGE, RPM_RELEASE, TREES, Name, tree_of

DOC = PurePosixPath("/usr/share/doc") / PACKAGE
LICENSES = PurePosixPath("/usr/share/licenses") / PACKAGE
SUMMARY = "LLM gateway in a box for places with no internet"
DESCRIPTION = (
    f"{SUMMARY}\n"
    "One governed endpoint in front of a site's models: keys, quotas, routing,\n"
    "metering, and licences and usage that are carried over the gap by hand.\n"
    "\n"
    "It brings its own Python and libraries. The package lays the release down;\n"
    "its installer puts it in force below /opt/ao, and can go back from it."
)
NEEDS: Mapping[str, tuple[str, ...]] = {
    "deb": ("libc6 (>= 2.28)", "libgcc-s1 | libgcc1", "passwd", "systemd (>= 232)"),
    "rpm": (
        "/bin/sh",
        "/usr/sbin/useradd",
        "libc.so.6(GLIBC_2.28)(64bit)",
        "libgcc_s.so.1()(64bit)",
        "systemd >= 232",
    ),
}
"""What a host must have. systemd need not run when the package is installed."""

BEFORE_THE_SCRIPTS = ("/usr/sbin/useradd", "systemd >= 232")
"""What an rpm's scripts use: it comes first where all are installed at once, as a system is made."""

SCRIPTS: Mapping[str, str] = {
    **{"preinst": "preinstall", "postinst": "postinstall", "prerm": "preremove", "postrm": "postremove"},
    **{"pre": "preinstall", "post": "postinstall", "preun": "preremove"},
}


@dataclass(frozen=True)
class Parts:
    """What was written for one package: its scripts by their names, and its documents."""

    scripts: Mapping[str, Path]
    copyright: Path
    licence: Path
    change_log: Path


def recipe(name: Name, of: Facts, tree: Path, parts: Parts) -> dict[str, Any]:
    """For one package, as nfpm reads it."""
    rpm = name.kind == "rpm"
    scripts = {SCRIPTS[each]: str(file) for each, file in parts.scripts.items() if each in SCRIPTS}
    found: dict[str, Any] = {
        "name": PACKAGE,
        "arch": name.machine,
        "platform": "linux",
        "version": name.version,
        "version_schema": "none",
        "maintainer": MAINTAINER,
        "vendor": "AO Appliance",
        "description": DESCRIPTION,
        "license": "LicenseRef-AO-Appliance",
        "section": "net",
        "priority": "optional",
        "mtime": of.built_at,
        "disable_globbing": True,
        "depends": list(NEEDS[name.kind]),
        "scripts": scripts,
        "contents": list(_contents(name.kind, of, tree, parts)),
    }
    if rpm:
        found["release"] = RPM_RELEASE
        found["rpm"] = {
            "arch": name.machine,
            "summary": SUMMARY,
            "group": "Applications/Internet",
            "buildhost": PACKAGE,
            "compression": "gzip:6",
            "requires": {"post": list(BEFORE_THE_SCRIPTS)},
            "scripts": {"verify": str(parts.scripts["verify"])},
        }
    else:
        found["deb"] = {"arch": name.machine, "compression": "gzip:6"}
    return found


def _contents(kind: str, of: Facts, tree: Path, parts: Parts) -> Iterator[dict[str, Any]]:
    root = tree_of(of.version)
    for folder in (TREES, root):
        yield _folder(folder, of)
    for path in ordered(tree):
        target = root / path.relative_to(tree).as_posix()
        yield _folder(target, of) if path.is_dir() else _file(path, target, of, mode=path.stat().st_mode & 0o777)
    yield _folder(DOC, of)
    notices = tree / bill.NOTICES
    yield _file(notices, DOC / notices.name, of, doc=kind == "rpm")
    if kind == "deb":
        yield _file(parts.copyright, DOC / "copyright", of)
        yield _file(parts.change_log, DOC / "changelog.gz", of)
    else:
        yield _folder(LICENSES, of)
        yield {**_file(parts.licence, LICENSES / "LICENCE", of), "type": "license"}


def _folder(path: PurePosixPath, of: Facts) -> dict[str, Any]:
    return {"dst": str(path), "type": "dir", "file_info": {"mode": 0o755, "mtime": of.built_at}}


def _file(source: Path, path: PurePosixPath, of: Facts, *, mode: int = 0o644, doc: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = {
        "src": str(source),
        "dst": str(path),
        "file_info": {"mode": mode, "mtime": of.built_at, "owner": "root", "group": "root"},
    }
    return {**told, "type": "doc"} if doc else told
