"""What a compiled file asks of the host that loads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

MAGIC = b"\x7fELF"
MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}

Version = tuple[int, ...]


@dataclass(frozen=True)
class Demands:
    """`glibc`: the highest version of the C library named; `alignment`: the least of any LOAD segment, in bytes."""

    machine: str
    glibc: Version
    alignment: int
    libraries: tuple[str, ...]


def is_elf(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == MAGIC


def demands(file: Path) -> Demands:
    """Reads one ELF file. Raises elftools' ELFError where it is broken."""
    with file.open("rb") as stream:
        elf = ELFFile(stream)
        loads = [each["p_align"] for each in elf.iter_segments() if each["p_type"] == "PT_LOAD"]
        named: list[Version] = [()]
        libraries: list[str] = []
        for section in elf.iter_sections():
            if isinstance(section, GNUVerNeedSection):
                named += [_glibc(each.name) for _, versions in section.iter_versions() for each in versions]
            elif isinstance(section, DynamicSection):
                libraries += [each.needed for each in section.iter_tags() if each.entry.d_tag == "DT_NEEDED"]
        machine = str(elf["e_machine"])
        return Demands(MACHINES.get(machine, machine), max(named), min(loads, default=0), tuple(libraries))


def _glibc(name: str) -> Version:
    family, _, version = name.partition("_")
    return tuple(int(each) for each in version.split(".")) if family == "GLIBC" and version[:1].isdigit() else ()
