"""One image, from a release as a folder and the pinned packages: laid out, packed, opened again, and gated."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bundle.facts import Facts
from bundle.places import Places
from image.archive import open_image
from image.errors import ImageClosed
from image.gates import Looked, pass_gates
from image.layers import write_layer
from image.layout import above, below, with_folders
from image.oci import Image, write_image
from image.packages import packages, shared_libraries, text_of
from image.papers import HERE, papers
from image.pins import Pins


def make_image(tree: Path, facts: Facts, epoch: int, where: Places, pins: Pins, into: Path) -> Image:
    """Writes the image of the release in `tree` below `into`. Raises PackageUnavailable, ImageClosed, OSError."""
    into.mkdir(parents=True, exist_ok=True)
    files = packages(pins, facts.arch, where.cache / "debian")
    libraries: dict[str, bytes] = {}
    for package, file in files:
        libraries |= shared_libraries(package, file)
        if package.component == "glibc" and text_of(file, "usr/share/doc/libc6/copyright") != _copyright():
            raise ImageClosed([f"{package.name} {package.version}: its licence is not the one kept in the tree"])
    command, settings = (HERE / "ao").read_bytes(), (HERE / "settings.toml").read_bytes()
    with tempfile.TemporaryDirectory(dir=into, prefix=".image-") as folder:
        lower = write_layer(
            with_folders(below(facts.arch, libraries, command, settings)), epoch, Path(folder) / "lower"
        )
        upper = write_layer(with_folders(above(tree, papers(tree, facts, pins))), epoch, Path(folder) / "upper")
        image = write_image(facts, (lower, upper), epoch, into)
    home = Path.home()
    private = (str(where.root), str(where.cache), str(tree.resolve()), str(into.resolve()))
    try:
        # Wheels are made in containers, as root: /root names nobody, and many of them name it.
        known = private if home in {Path("/root"), Path("/")} else (*private, f"{home}/")
        pass_gates(Looked.at(open_image(image.file), facts, pins, known))
    except ImageClosed:
        image.file.unlink()
        raise
    return image


def _copyright() -> bytes:
    return (HERE / "licences/glibc/copyright").read_bytes()
