"""What must not be shipped. Each gate looks at an assembled tree and names every finding; one finding, and no bundle.

They trust nothing that the assembly believes of itself: files are opened and looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from packaging.requirements import Requirement

from bundle.elf import demands, is_elf
from bundle.errors import GateClosed
from bundle.licences import FOLDER as LICENCES
from bundle.licences import chosen, embedded_bills, installed, normal, requirements
from bundle.manifest import NAME as MANIFEST
from bundle.manifest import manifest, ordered

GLIBC = (2, 28)
LARGEST_PAGE = 65536
"""Some aarch64 kernels have pages of 64 KiB, and load nothing that is aligned for less."""

OF_THE_HOST = ("libc.so.", "libm.so.", "libpthread.so.", "libdl.so.", "librt.so.", "libutil.so.", "ld-linux")
"""The C library's own parts, which every host has in one version; anything else must be inside."""

OF_THE_HOST_TOO = ("libgcc_s.so.1",)
"""Beside the C library on every host: what unwinds the stack."""


@dataclass(frozen=True)
class Looked:
    """A tree, what it is for, the folders whose names nobody else shall read, and the parts that are linked in."""

    tree: Path
    arch: str
    private: tuple[str, ...]
    linked_in: tuple[str, ...]


Gate = Callable[[Looked], Iterator[str]]


def glibc_floor(of: Looked) -> Iterator[str]:
    """No file needs a C library newer than 2.28, is for another machine, or needs a library the host may not have."""
    for name, file in _compiled(of.tree):
        try:
            asks = demands(file)
        except ELFError as exc:
            yield f"{name}: not a sound ELF file: {exc}"
            continue
        if asks.machine != of.arch:
            yield f"{name}: is for {asks.machine}, the release for {of.arch}"
        if asks.glibc > GLIBC:
            yield f"{name}: needs GLIBC_{'.'.join(map(str, asks.glibc))}; the oldest host has 2.28"
        for library in asks.libraries:
            if not library.startswith(OF_THE_HOST) and library not in OF_THE_HOST_TOO:
                yield f"{name}: needs {library}, which a host need not have"


def page_size(of: Looked) -> Iterator[str]:
    """On aarch64 every LOAD segment is aligned to 64 KiB at least."""
    if of.arch != "aarch64":
        return
    for name, file in _compiled(of.tree):
        if (alignment := demands(file).alignment) < LARGEST_PAGE:
            yield f"{name}: a LOAD segment is aligned to {alignment} bytes; a host with 64 KiB pages cannot load it"


def nothing_of_the_vendors(of: Looked) -> Iterator[str]:
    """No module, page or command of the vendor's side."""
    for path in ordered(of.tree):
        name = path.relative_to(of.tree).as_posix()
        below = f"/{name}"
        in_ours = any(f"/{package}/vendor" in below for package in ("licensing", "appliance", "media", "installer"))
        if in_ours or path.name.lower().replace("-", "_").startswith("ao_vendor"):
            yield f"{name}: the vendor's"


def no_private_path(of: Looked) -> Iterator[str]:
    """No file bears the name of a folder of the machine that built it."""
    sought = [(folder, folder.encode()) for folder in of.private]
    for path in ordered(of.tree):
        if path.is_file():
            data = path.read_bytes()
            for folder, needle in sought:
                if needle in data:
                    yield f"{path.relative_to(of.tree).as_posix()}: names {folder}, a folder of the building machine"


def licence_texts(of: Looked) -> Iterator[str]:
    """Every distribution, and everything linked into the runtime or a wheel, has the text of its licence."""
    texts = of.tree / LICENCES
    for name in [*(each.name for each in installed(of.tree / "lib")), *of.linked_in]:
        folder = texts / normal(name)
        if not folder.is_dir() or not any(each.stat().st_size for each in folder.iterdir()):
            yield f"{name}: no text of its licence in {LICENCES}/{folder.name}/"
    for bill in embedded_bills(of.tree / "lib"):
        for name, expression in bill.licences():
            for licence in chosen(expression):
                if not (texts / "spdx" / f"{licence}.txt").is_file():
                    yield f"{bill.within}: {name} is under {licence}, of which there is no text in {LICENCES}/spdx/"


def manifest_is_true(of: Looked) -> Iterator[str]:
    """MANIFEST lists what is there, as it is there; every module has its bytecode beside it."""
    file = of.tree / MANIFEST
    if not file.is_file() or file.read_text("utf-8") != manifest(of.tree):
        yield f"{MANIFEST} is not that of this tree"
    for path in ordered(of.tree):
        if path.suffix == ".py" and path.parent.name != "bin":
            compiled = path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc"
            if not compiled.is_file():
                yield f"{path.relative_to(of.tree).as_posix()}: has no bytecode"
            elif compiled.read_bytes()[4:8] != b"\x01\x00\x00\x00":
                yield f"{path.relative_to(of.tree).as_posix()}: its bytecode would be checked against the source's date"


def bill_of_materials(of: Looked) -> Iterator[str]:
    """sbom.cdx.json lists every distribution and every part linked in, in the version that is there."""
    file = of.tree / "sbom.cdx.json"
    listed = {}
    if file.is_file():
        listed = {each["name"]: each.get("version") for each in json.loads(file.read_text("utf-8"))["components"]}
    for each in installed(of.tree / "lib"):
        if each.name != "ao-appliance" and listed.get(normal(each.name)) != each.version:
            yield f"{each.name} {each.version}: not in sbom.cdx.json"


def dependencies(of: Looked) -> Iterator[str]:
    """What the appliance itself asks for is there, in a version that it asks for: the locks are of this tree."""
    there = {normal(each.name): each for each in installed(of.tree / "lib")}
    if (appliance := there.get("ao-appliance")) is None:
        return
    for asked in map(Requirement, requirements(appliance)):
        if asked.marker is not None and "extra" in str(asked.marker):
            continue
        found = there.get(normal(asked.name))
        if found is None:
            yield f"{asked}: not in lib/, though the appliance asks for it: make lock"
        elif not asked.specifier.contains(found.version):
            yield f"{asked}: lib/ has {found.version}: make lock"


GATES: Sequence[Gate] = (
    dependencies,
    glibc_floor,
    page_size,
    nothing_of_the_vendors,
    no_private_path,
    licence_texts,
    bill_of_materials,
    manifest_is_true,
)


def pass_gates(of: Looked) -> None:
    """Raises GateClosed with every finding of every gate."""
    if findings := [finding for gate in GATES for finding in gate(of)]:
        raise GateClosed(findings)


def _compiled(tree: Path) -> Iterator[tuple[str, Path]]:
    for path in ordered(tree):
        if path.is_file() and is_elf(path):
            yield path.relative_to(tree).as_posix(), path
