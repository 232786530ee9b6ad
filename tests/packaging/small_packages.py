"""Packages of a few files, real in all but the gateway, for what dpkg and rpm do with them.

Their `ao` is the installer of this checkout; what it asks of a release is answered by `tests/installer/made_up.py`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bundle import bill
from deb_rpm.build import nfpm
from deb_rpm.names import PACKAGE
from tests.installer import made_up
from tests.packaging.package_root import PackageRoot
from tests.real.processes import ROOT

EPOCH = 1795392000
ASKED_HERE = f"""#!/bin/sh
case $1 in package | install | rollback | uninstall)
  PYTHONPATH={ROOT} exec {sys.executable} -B -m tests.packaging.installer_alone "$@" ;;
esac
"""
HOST = {
    "name": "host",
    "arch": "all",
    "version": "1",
    "maintainer": "nobody <nobody@example.invalid>",
    "description": "What a host of rpm's has.",
    "provides": [
        "libc.so.6(GLIBC_2.28)(64bit)",
        "libgcc_s.so.1()(64bit)",
        "systemd = 252",
        "/usr/sbin/useradd",
        "/bin/sh",
    ],
    "contents": [],
}


def small_tree(
    folder: Path, version: str, *, schema: int = 1, returns_to: int = 1, fails: bool = False, arch: str | None = None
) -> Path:
    """A release of a few files that the packaging takes for one, as the installer does."""
    made_up.release(folder, version, schema=schema, returns_to=returns_to, fails=fails, arch=arch)
    ao = (folder / "bin/ao").read_text().replace("#!/bin/sh\n", ASKED_HERE, 1)
    told = json.loads((folder / "facts.json").read_text())
    del told["what a later one adds"]
    facts = json.dumps({**told, "built_at": "2026-11-23T00:00:00Z", "glibc": "2.28", "python": "3.13.5"})
    texts = {"bin/ao": ao, "facts.json": facts, bill.NOTICES: "# Notices\n"}
    listed = [line.split("  ") for line in (folder / "MANIFEST").read_text().splitlines()]
    lines = {name: digest for digest, name in listed}
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        lines[name] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "MANIFEST").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(lines.items())))
    return folder


@dataclass(frozen=True)
class Manager:
    """dpkg, or rpm: the same words for what they both do. Each returns what was said."""

    kind: str
    root: PackageRoot

    def install(self, package: Path, *, fails: bool = False, env: dict[str, str] | None = None) -> str:
        """As an operator does it, also over a newer version. `fails`: a script of the package does."""
        if self.kind == "deb":
            code = 1 if fails else 0
            return self.root.run("dpkg", "-i", "--force-downgrade", str(package), code=code, env=env)
        return self.root.run(*RPM, "-U", "--oldpackage", "--replacepkgs", str(package), code=None, env=env)

    def again(self, version: str) -> str:
        """What is to be done after the cause of a failure has been mended."""
        tree = f"/usr/lib/{PACKAGE}/{version}"
        words = (
            ["dpkg", "--configure", PACKAGE] if self.kind == "deb" else [f"{tree}/bin/ao", "package", "install", tree]
        )
        return self.root.run(*words)

    def remove(self, *, code: int | None = 0, env: dict[str, str] | None = None) -> str:
        words = ["dpkg", "-r", PACKAGE] if self.kind == "deb" else [*RPM, "-e", PACKAGE]
        return self.root.run(*words, code=code, env=env)

    def verify(self) -> str:
        """Nothing where all is as it was packed, and in force."""
        words = ["dpkg", "-V", PACKAGE] if self.kind == "deb" else [*RPM, "-V", PACKAGE]
        return self.root.run(*words, code=None).strip()

    def status(self) -> str:
        """The version and, where it is not simply installed, what is the matter with it."""
        if self.kind == "deb":
            words = ["dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", PACKAGE]
            told = self.root.run(*words, code=None)
            return "" if "no packages found" in told else told.removesuffix(" installed")
        told = self.root.run(*RPM, "-q", "--qf", "%{VERSION}\\n", PACKAGE, code=None)
        return "" if "not installed" in told else told.strip()


RPM = ("rpm", "--force-debian", "--dbpath", "/var/lib/rpm")


def host_package(folder: Path) -> Path:
    """An rpm that provides what a host of rpm's has; Debian's rpm knows of no other package."""
    config, target = folder / "host.json", folder / "host.rpm"
    config.write_text(json.dumps(HOST))
    subprocess.run(
        [str(nfpm()), "package", "-f", str(config), "-p", "rpm", "-t", str(target)], check=True, capture_output=True
    )
    return target
