"""A deb and an rpm out of a release's tree, by nfpm.

Promise: the same tree gives the same bytes. Dates are the release's own, names are sorted, owners are root, and the
machine that packs is not named.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bundle.errors import BundleRefused, InputMissing
from bundle.facts import Facts
from bundle.places import ROOT
from deb_rpm.documents import change_log, copyright_of
from deb_rpm.names import Name, name_of
from deb_rpm.recipe import Parts, recipe
from deb_rpm.scripts import scripts

KINDS = ("deb", "rpm")
SECONDS = 900


def build(kind: str, tree: Path, of: Facts, epoch: int, into: Path) -> Path:
    """Writes the package below `into`; one of the same name is replaced as a whole. Raises BundleRefused."""
    name = name_of(kind, of.version, of.arch)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".packing-") as folder:
        work = Path(folder)
        config = work / "nfpm.json"
        config.write_text(json.dumps(recipe(name, of, tree, _parts(kind, of, work))), "utf-8")
        fresh = work / name.file
        _run_nfpm(name, config, fresh, epoch)
        fresh.chmod(0o644)
        fresh.replace(into / name.file)
    return into / name.file


def _parts(kind: str, of: Facts, work: Path) -> Parts:
    licence = (ROOT / "LICENCE").read_text("utf-8")
    written = {name: _write(work / name, text.encode()) for name, text in scripts(kind, of).items()}
    return Parts(
        scripts=written,
        copyright=_write(work / "copyright", copyright_of(of, licence).encode()),
        licence=_write(work / "LICENCE", licence.encode()),
        change_log=_write(work / "changelog.gz", change_log(of)),
    )


def _write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


def _run_nfpm(name: Name, config: Path, target: Path, epoch: int) -> None:
    command = [str(nfpm()), "package", "--config", str(config), "--packager", name.kind, "--target", str(target)]
    done = subprocess.run(
        command,
        env={"SOURCE_DATE_EPOCH": str(epoch), "PATH": "/usr/bin:/bin", "HOME": str(config.parent)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode or not target.is_file():
        raise BundleRefused(f"{name.file} cannot be packed: {(done.stderr or done.stdout).strip()[-2000:]}")


def nfpm() -> Path:
    """The program of the pinned distribution, wherever that is installed. Raises InputMissing."""
    try:
        files = distribution("nfpm").files or []
    except PackageNotFoundError:
        files = []
    for each in files:
        if each.name == "nfpm" and each.parent.name == "bin":
            return Path(str(each.locate())).resolve()
    raise InputMissing("nfpm is not installed: it is among the development's dependencies.")
