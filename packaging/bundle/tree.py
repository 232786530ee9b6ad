"""A release as a folder: the runtime, every wheel, the launcher, pages, licences, the bill of materials, MANIFEST.

The same checkout, locks and runtime give the same bytes: dates are the release's own, modes are two, names are sorted,
and nothing reads the clock. What only the locks decide (the runtime and the wheels of others, compiled) is kept and
used again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path, PurePosixPath

from bundle import bill, facts, licences, manifest, own_wheel, pages, wheels
from bundle.compiled import compile_tree
from bundle.errors import InputMissing
from bundle.facts import Facts, Schemas
from bundle.gates import Looked, pass_gates
from bundle.places import Places
from bundle.prune import is_shipped, is_taken
from runtime.cache import own_archive, prebuilt, sha256_of
from runtime.pins import Pins, inputs_key
from runtime.unpack import unpack

HERE = Path(__file__).resolve().parent
LIB, RUNTIME = "lib", "runtime"
LIBRARY = "runtime/lib/python3.13"
WHEELS = "wheels.json"
"""Within the kept parts: the SHA-256 of each wheel that they were unpacked from."""

FOREIGN = ("errors.py", "wheels.py", "prune.py", "compiled.py", "tree.py")
"""The files that decide what becomes of the parts that others wrote."""


def assemble(out: Path, arch: str, where: Places, pins: Pins, version: str, built: datetime, oldest: str) -> Facts:
    """Makes the release in the empty or absent folder `out`, and says what it is. Raises BundleRefused, OSError."""
    if out.exists() and any(out.iterdir()):
        raise InputMissing(f"{out} is not empty: name a folder that is, or that does not exist.")
    epoch = int(built.timestamp())
    shutil.copytree(_foreign_parts(arch, where, pins), out, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wheels.unpack(own_wheel.build(where.root, Path(folder), epoch=epoch), out / LIB)
    own = tuple(out / LIB / each for each in ("appliance", "licensing", "media", "installer"))
    compile_tree(out, tuple(each for each in own if each.exists()), native_python(where, pins))
    (out / "bin").mkdir()
    for name in ("ao", "ao.py"):
        shutil.copyfile(HERE / name, out / "bin" / name)
    pages.gather(where.root, out / pages.FOLDER)
    of = Facts(
        version=version,
        arch=arch,
        built_at=facts.rfc3339(built),
        upgrades_from=oldest,
        schemas=Schemas(state=facts.state_schema(out / LIB), documents=1),
        glibc="2.28",
        python=pins.python,
    )
    (out / facts.NAME).write_text(of.to_json(), "utf-8")
    others = (where.root / "packaging/runtime/licences", where.root / "packaging/bundle/licences")
    licences.gather(out / LIB, others, out / licences.FOLDER)
    hashes = json.loads((out / WHEELS).read_text("utf-8"))
    (out / WHEELS).unlink()
    found = list(bill.parts(out / LIB, pins, hashes))
    (out / bill.NAME).write_text(bill.bill_of(found, of), "utf-8")
    (out / bill.NOTICES).write_text(bill.notices(found, of), "utf-8")
    manifest.write(out)
    _settle(out, epoch)
    linked_in = (*(each.name for each in pins.sources), "zig", *bill.IN_WHEELS)
    private = (str(where.root), str(where.cache), str(out.resolve()), *_built_in(pins), *_home(Path.home()))
    pass_gates(Looked(out, arch, private, linked_in))
    return of


def _foreign_parts(arch: str, where: Places, pins: Pins) -> Path:
    """The runtime and the wheels of others, compiled: from the cache, else made and put there as a whole."""
    kept = where.cache / f"parts-{arch}-{_parts_key(arch, where)}"
    if kept.is_dir():
        return kept
    where.cache.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=where.cache, prefix=".making-"))
    try:
        parts = making / "parts"
        _lay_runtime(parts / RUNTIME, arch, where, pins)
        hashes = {}
        for wheel in wheels.download(where.lock(arch), arch, making / "wheels"):
            name = licences.normal(wheel.name.partition("-")[0])
            if is_taken(name):
                wheels.unpack(wheel, parts / LIB)
                hashes[name] = sha256_of(wheel)
        (parts / WHEELS).write_text(json.dumps(hashes), "utf-8")
        compile_tree(parts, (parts / LIBRARY, parts / LIB), native_python(where, pins))
        try:
            parts.rename(kept)
        except OSError:
            if not kept.is_dir():  # another build may have been quicker, with the same result
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return kept


def _home(folder: Path) -> tuple[str, ...]:
    # Wheels are made in containers, as root: /root names nobody, and many of them name it.
    return () if folder in {Path("/root"), Path("/")} else (f"{folder}/",)


def _built_in(pins: Pins) -> tuple[str, ...]:
    return tuple({each.built_in for each in pins.prebuilt.values()})


def _parts_key(arch: str, where: Places) -> str:
    digest = hashlib.sha256(inputs_key().encode() + (b"" if is_own(arch, where) else b" prebuilt"))
    for file in (where.lock(arch), *(HERE / name for name in FOREIGN), HERE.parent / "runtime/unpack.py"):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def is_own(arch: str, where: Places) -> bool:
    """Whether the runtime is this tree's own build, which is tuned; else it is the prebuilt one, good enough to test
    with where nobody wants to wait."""
    return own_archive(arch, where.runtimes[-1]).is_file()


def _lay_runtime(into: Path, arch: str, where: Places, pins: Pins) -> None:
    if is_own(arch, where):
        unpack(own_archive(arch, where.runtimes[-1]), into, built_in=None)
    elif found := prebuilt(pins, arch, where.runtimes):
        unpack(found[0], into, built_in=found[1].built_in)
    else:
        raise InputMissing(
            f"No runtime for {arch} is kept in {', '.join(map(str, where.runtimes))}. "
            f"Build it: python packaging/runtime build --arch {arch}"
        )
    library = into / "lib/python3.13"
    for file in [each for each in library.rglob("*") if each.is_file()]:
        if not is_shipped(PurePosixPath(file.relative_to(library))):
            file.unlink()
    # A relative line in a .pth file is taken from the folder that the file lies in, wherever the release lies.
    site = library / "site-packages"
    site.mkdir(exist_ok=True)
    (site / "release.pth").write_text("../../../../lib\n", "utf-8")


def native_python(where: Places, pins: Pins) -> Path:
    """A Python that runs here, of the version that runs there: bytecode does not depend on the machine."""
    arch = os.uname().machine
    kept = where.cache / f"native-{arch}-{inputs_key()}{'' if is_own(arch, where) else '-prebuilt'}"
    if not kept.is_dir():
        where.cache.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=where.cache, prefix=".making-"))
        try:
            _lay_runtime(making / "native", arch, where, pins)
            (making / "native").rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return kept / "bin/python3"


def _settle(tree: Path, epoch: int) -> None:
    """Two modes and one date for everything, the innermost first: a folder's date changes with what is put into it."""
    programs = {tree / "bin/ao", tree / "runtime/bin/python3"}
    for path in sorted(tree.rglob("*"), key=lambda each: len(each.parts), reverse=True):
        runs = path.is_dir() or path in programs or ".so" in path.suffixes
        path.chmod(0o755 if runs else 0o644)
        os.utime(path, (epoch, epoch))
    tree.chmod(0o755)
    os.utime(tree, (epoch, epoch))
