"""A release made for the tests: once for each state of the tree, kept beside the build's own cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundle.facts import ARCHITECTURES, Facts, read_facts
from bundle.places import ROOT, Places, places
from bundle.run_file import pack
from bundle.tree import assemble, is_own
from image.archive import Opened, open_image
from image.make import make_image
from image.oci import name_of
from image.pins import read_image_pins
from licensing.version import BUILD_TIME, UPGRADES_FROM, __version__
from runtime.cache import own_archive, prebuilt
from runtime.pins import read_pins

SOURCES = (
    *("appliance", "licensing", "media", "installer", "pyproject.toml", "README.md", "LICENCE"),
    *("packaging/bundle", "packaging/runtime", "packaging/locks"),
)
KEPT = 4
"""How many made releases stay in the cache: each is 200 MB."""


@dataclass(frozen=True)
class Made:
    """A release for one machine: as a folder, and as the file that is carried in."""

    facts: Facts
    tree: Path
    run_file: Path


def where() -> Places:
    return places(os.environ, Path.home())


def runtime_is_kept(arch: str) -> bool:
    """Whether a release can be made without building a Python first, which takes ten minutes."""
    known = where()
    return prebuilt(read_pins(), arch, known.runtimes) is not None or own_archive(arch, known.runtimes[-1]).is_file()


def made(arch: str) -> Made:
    """The release of this tree, from the cache where it was made before."""
    assert arch in ARCHITECTURES
    known = where()
    kept = known.cache / f"made-{arch}-{_key()}{_kind(arch, known)}"
    with _alone(known.cache / f".{kept.name}.lock"):
        if not kept.is_dir():
            with _making(kept, known) as making:
                of = assemble(making / "tree", arch, known, read_pins(), __version__, BUILD_TIME, UPGRADES_FROM)
                pack(making / "tree", of, int(BUILD_TIME.timestamp()), making)
            _forget(known.cache, f"made-{arch}")
    (run_file,) = kept.glob("*.run")
    return Made(read_facts(kept / "tree"), kept / "tree", run_file)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Tests that run beside each other wait for the one that makes it: it is half as long for both."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def _making(kept: Path, known: Places) -> Iterator[Path]:
    """A folder to make something in, which is kept under its name only when it is whole."""
    making = Path(tempfile.mkdtemp(dir=known.cache, prefix=".making-"))
    try:
        yield making
        making.chmod(0o755)
        making.rename(kept)
    finally:
        shutil.rmtree(making, ignore_errors=True)


@dataclass(frozen=True)
class MadeImage:
    """The image of a made release: as a file, and as it is read back from it."""

    of: Made
    file: Path
    opened: Opened


def made_image(of: Made) -> MadeImage:
    """The image of this tree's release, from the cache where it was made before."""
    known = where()
    kept = known.cache / f"image-{of.facts.arch}-{_key((*SOURCES, 'packaging/image'))}{_kind(of.facts.arch, known)}"
    with _alone(known.cache / f".{kept.name}.lock"):
        if not kept.is_dir():
            with _making(kept, known) as making:
                make_image(of.tree, of.facts, int(BUILD_TIME.timestamp()), known, read_image_pins(), making)
            _forget(known.cache, f"image-{of.facts.arch}")
    file = kept / name_of(of.facts)
    return MadeImage(of, file, open_image(file))


def _kind(arch: str, known: Places) -> str:
    return "" if is_own(arch, known) else "-prebuilt"


def _key(sources: Sequence[str] = SOURCES) -> str:
    digest = hashlib.sha256()
    for source in sources:
        root = ROOT / source
        for file in sorted([root] if root.is_file() else root.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and "vendor" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _forget(cache: Path, what: str) -> None:
    old = sorted(cache.glob(f"{what}-*"), key=lambda each: each.stat().st_ctime, reverse=True)
    for each in old[KEPT:]:
        shutil.rmtree(each, ignore_errors=True)
        each.with_name(f".{each.name}.lock").unlink(missing_ok=True)
