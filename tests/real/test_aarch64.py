"""The licensing package on the other processor: its own tests, run by a CPython for aarch64 under emulation.

Not in the ordinary suite: `make test-aarch64 RUNTIME=PATH`, where PATH is a CPython 3.11 or newer built for aarch64, as
a folder with `bin/python3` in it or as an archive of one. Needs `qemu-user-static` and `libc6-arm64-cross`; the
packages are those of the lock, as aarch64 wheels, with its hashes. Both sizes of page that such hosts have are tried: a
wheel whose segments are aligned for the small one does not load under the large one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.processes import ROOT

RUNTIME = os.environ.get("RUNTIME", "")
EMULATOR = shutil.which("qemu-aarch64-static")
LIBRARIES = Path("/usr/aarch64-linux-gnu")
LOCK = ROOT / "packaging" / "locks" / "development.txt"
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
"""What a site of the oldest supported C library can install."""

NEEDED = (
    *("cryptography", "cffi", "pynacl", "pydantic", "pydantic-core", "pyyaml", "click"),
    *("annotated-types", "typing-extensions", "typing-inspection", "pycparser"),
    *("pytest", "pytest-timeout", "pluggy", "iniconfig", "packaging", "pygments", "hypothesis", "sortedcontainers"),
)
SUITE = (
    *("algorithms", "sm2", "envelope", "strict_json", "trust", "document", "licence", "ratchet", "clock", "standing"),
    *("site_request", "receipt", "usage", "merkle", "both_algorithms"),
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not RUNTIME, reason="no CPython for aarch64 was named: make test-aarch64 RUNTIME=PATH"),
    pytest.mark.skipif(
        bool(RUNTIME) and (EMULATOR is None or not LIBRARIES.is_dir()),
        reason="qemu-user-static and libc6-arm64-cross are not installed",
    ),
]


@dataclass(frozen=True, slots=True)
class Emulated:
    """A CPython for another processor, and the packages it finds."""

    python: Path
    packages: Path

    def run(self, *arguments: str, page: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [EMULATOR or "", "-p", str(page), "-L", str(LIBRARIES), str(self.python), *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(self.packages), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    folder = tmp_path_factory.mktemp("aarch64")
    python = interpreter(Path(RUNTIME), folder / "runtime")
    version = Emulated(python, folder).run("-c", "import sys; print('%d.%d' % sys.version_info[:2])", page=4096)
    assert version.returncode == 0, version.stderr
    return Emulated(python, unpacked(fetched(version.stdout.strip(), folder), folder / "packages"))


def interpreter(named: Path, folder: Path) -> Path:
    """`bin/python3` in the folder that was named, or in the archive."""
    if named.is_file():
        folder.mkdir()
        subprocess.run(["tar", "-xf", str(named), "-C", str(folder)], check=True)
        named = folder
    found = sorted(named.glob("**/bin/python3"))
    assert found, f"there is no bin/python3 under {named}"
    return found[0]


def fetched(version: str, folder: Path) -> Sequence[Path]:
    """The wheels of the lock for aarch64, each held against the lock's hashes."""
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(pinned(name) for name in NEEDED), encoding="utf-8")
    platforms = [option for name in PLATFORMS for option in ("--platform", name)]
    command = [sys.executable, "-m", "pip", "download", "-q", "--require-hashes", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", version, "--implementation", "cp", *platforms]
    subprocess.run([*command, "-r", str(requirements), "-d", str(folder / "wheels")], check=True)
    wheels = sorted((folder / "wheels").glob("*.whl"))
    assert len(wheels) == len(NEEDED)
    return wheels


def pinned(name: str) -> str:
    """A package's lines in the lock: its version and its hashes."""
    # Each line but a package's last ends in a backslash.
    found = re.search(rf"^{re.escape(name)}==(?:.*\\\n)*.*\n", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{name} is not in {LOCK.name}"
    # A marker speaks of the host that evaluates it, which is not the one that is meant.
    return re.sub(r" ; [^\\]*", " ", found.group(0))


def unpacked(wheels: Sequence[Path], folder: Path) -> Path:
    """What installing them amounts to: none of them has scripts that are needed or steps to take."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


PAGES = pytest.mark.parametrize("page", [4096, 65536])


@PAGES
def test_it_is_another_processor_with_pages_of_that_size(emulated: Emulated, page: int) -> None:
    said = emulated.run("-c", "import platform, resource; print(platform.machine(), resource.getpagesize())", page=page)
    assert said.stdout.split() == ["aarch64", str(page)], said.stderr


@PAGES
def test_licensing_decides_there_as_it_does_here(emulated: Emulated, page: int) -> None:
    """Its own tests pass: SM2 and SM3, Ed25519, and documents that need both."""
    files = [f"tests/licensing/test_{name}.py" for name in SUITE]
    ran = emulated.run("-m", "pytest", "-q", "-o", "timeout=0", *files, page=page)
    summary = ran.stdout.rstrip().rpartition("\n")[2]
    print(f"pages of {page} bytes: {summary}")
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    assert " passed" in summary
    assert "skipped" not in summary
