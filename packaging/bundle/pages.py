"""docs/: the pages that lie beside the customer's code, in the same folders, so that links among them hold."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = "docs"
ROOMS = (
    *("appliance", "licensing", "media", "installer"),
    *("packaging/bundle", "packaging/chart", "packaging/deb_rpm", "packaging/image"),
)


def pages(root: Path) -> list[Path]:
    """The README and every page of the customer's packages; none of the vendor's."""
    found = [page for room in ROOMS for page in (root / room).rglob("*.md") if "vendor" not in page.parts]
    return [root / "README.md", *sorted(found)]


def gather(root: Path, into: Path) -> None:
    for page in pages(root):
        target = into / page.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, target)
