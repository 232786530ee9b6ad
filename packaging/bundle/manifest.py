"""MANIFEST: the SHA-256 of every file of a release, in the form that `sha256sum -c` reads. It does not list itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bundle.errors import BundleRefused

NAME = "MANIFEST"


def ordered(tree: Path) -> list[Path]:
    """Everything below the tree, a folder before what it holds, in the order of the names' bytes."""
    return sorted(tree.rglob("*"), key=lambda each: each.relative_to(tree).as_posix().encode())


def manifest(tree: Path) -> str:
    """One line a file. Raises BundleRefused for what is neither file nor folder, and for a name with a line's end."""
    lines = []
    for path in ordered(tree):
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
