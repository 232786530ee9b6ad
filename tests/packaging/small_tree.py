"""A made-up release, small and sound, for gates and headers to be tried on; and parts to spoil it with."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

from bundle import manifest
from bundle.facts import Facts, Schemas
from bundle.gates import Looked

FACTS = Facts("9.8.7", "x86_64", "2026-11-23T00:00:00Z", "9.0.0", Schemas(6, 1), "2.28", "3.13.5")
BUILDER = "/somewhere/the-builder"
LINKED_IN = ("zlib",)
E_MACHINE = {"x86_64": 62, "aarch64": 183}

AO = """#!/bin/sh
printf '%s\\n' "ran:$*" "in:${0%/bin/ao}"
stat -c 'mode:%a' "${0%/bin/ao}"
exit "${AO_TEST_EXIT:-0}"
"""


def write(tree: Path, name: str, content: str | bytes, *, mode: int = 0o644) -> Path:
    file = tree / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(mode)
    return file


def small_tree(tree: Path) -> Path:
    """A tree that every gate lets through."""
    write(tree, "bin/ao", AO, mode=0o755)
    write(tree, "runtime/bin/python3", "#!/bin/sh\nexit 0\n", mode=0o755)
    write(tree, "facts.json", FACTS.to_json())
    write(tree, "lib/part/__init__.py", "ANSWER = 42\n")
    write(tree, "lib/part/__pycache__/__init__.cpython-313.pyc", b"\xf3\r\r\n\x01\x00\x00\x00" + bytes(8) + b"code")
    write(tree, "lib/part/fast.so", elf("x86_64", 4096))
    write(tree, "lib/part-1.0.dist-info/METADATA", "Metadata-Version: 2.4\nName: part\nVersion: 1.0\n")
    write(tree, "lib/part-1.0.dist-info/licenses/LICENSE", "Do as you please.\n")
    crate = {"name": "crate", "licenses": [{"expression": "MIT OR Apache-2.0"}]}
    write(tree, "lib/part-1.0.dist-info/sboms/part.cyclonedx.json", json.dumps({"components": [crate]}))
    write(tree, "licences/part/LICENSE", "Do as you please.\n")
    write(tree, "licences/zlib/LICENSE", "Do as you please, too.\n")
    write(tree, "licences/spdx/MIT.txt", "Permission is hereby granted.\n")
    write(tree, "sbom.cdx.json", json.dumps({"components": [{"name": "part", "version": "1.0"}]}))
    manifest.write(tree)
    return tree


def looked(tree: Path, arch: str = "x86_64") -> Looked:
    return Looked(tree, arch, (BUILDER,), LINKED_IN)


def elf(arch: str, alignment: int) -> bytes:
    """An ELF file of one LOAD segment, and nothing else in it."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 3, E_MACHINE[arch], 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 120, 120, alignment)
    return ident + header + segment


def compiled(folder: Path, source: str, *flags: str) -> bytes:
    """A shared library, as this machine's compiler makes it."""
    (folder / "of.c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "of.so", "of.c", *flags], cwd=folder, check=True)
    return (folder / "of.so").read_bytes()
