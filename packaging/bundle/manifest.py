"""MANIFEST: the SHA-256 of every file of a release, in the form that `sha256sum -c` reads. It does not list itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from bundle.errors import BundleRefused

NAME = "MANIFEST"


def files(tree: Path) -> Iterator[Path]:
    """Every file below the tree, in the order of its path's bytes."""
    return iter(sorted((each for each in tree.rglob("*") if each.is_file()), key=lambda each: str(each).encode()))


def manifest(tree: Path) -> str:
    """One line a file. Raises BundleRefused for what is neither file nor folder, and for a name with a line's end."""
    lines = []
    for path in sorted(tree.rglob("*"), key=lambda each: str(each).encode()):
        name = path.relative_to(tree).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BundleRefused(f"{name} is neither a file nor a folder.")
        if "\n" in name or "\\" in name:
            raise BundleRefused(f"{name!r} cannot be listed in a MANIFEST.")
        if path.is_file() and name != NAME:
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n")
    return "".join(lines)


def write(tree: Path) -> None:
    (tree / NAME).write_text(manifest(tree), "utf-8")
    (tree / NAME).chmod(0o644)
