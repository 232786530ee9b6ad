"""The scripts of a package: what dpkg and rpm call, with which words, and what of it concerns the installer.

Each is put together from pieces in `scripts/`: dpkg and rpm call at other moments, and at each of them the same is to
be done. None of them changes anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bundle.facts import Facts
from deb_rpm.names import PACKAGE, tree_of

HERE = Path(__file__).resolve().parent / "scripts"
PIECES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "deb": {
        "preinst": ("said.sh", "welcome.sh", "preinst"),
        "postinst": ("said.sh", "take.sh", "postinst"),
        "prerm": ("said.sh", "leave.sh", "prerm"),
        "postrm": ("said.sh", "postrm"),
    },
    "rpm": {
        "pre": ("said.sh", "welcome.sh", "pre"),
        "post": ("said.sh", "take.sh", "post"),
        "preun": ("leave.sh", "preun"),
        "verify": ("said.sh", "verify"),
    },
}


def scripts(kind: str, of: Facts) -> dict[str, str]:
    """Name and text of each script of a deb or an rpm."""
    tree = str(tree_of(of.version))
    again = f"dpkg --configure {PACKAGE}" if kind == "deb" else f"{tree}/bin/ao package install {tree}"
    filled = {
        "VERSION": of.version,
        "OLDEST": of.upgrades_from,
        "SCHEMA": str(of.schemas.state),
        "TREE": tree,
        "AGAIN": again,
    }
    return {name: _filled(pieces, filled) for name, pieces in PIECES[kind].items()}


def _filled(pieces: tuple[str, ...], filled: Mapping[str, str]) -> str:
    text = "#!/bin/sh\nset -eu\n" + "".join((HERE / piece).read_text("utf-8") for piece in pieces)
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    return text
