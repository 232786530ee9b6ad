"""A made-up image, small and sound, for gates to be tried on; and a way to spoil it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bundle import manifest
from bundle.facts import Facts
from image.archive import open_image
from image.gates import Looked
from image.layers import write_layer
from image.layout import LOADER, Entry, above, below, with_folders
from image.oci import Image, write_image
from image.papers import HERE, papers
from image.pins import Package, Pins, read_image_pins
from tests.packaging.small_tree import BUILDER, FACTS, elf, small_tree, write

EPOCH = 1_700_000_000
Spoil = Callable[[list[Entry]], list[Entry]]


def untouched(entries: list[Entry]) -> list[Entry]:
    return entries


def small_image(folder: Path, spoil: Spoil = untouched, *, facts: Facts = FACTS) -> Image:
    """An image whose every layer went through `spoil` on the way. `folder` is made, or used again."""
    folder.mkdir(exist_ok=True)
    tree = folder / "tree"
    if not tree.exists():
        small_tree(tree)
        write(tree, "lib/part/fast.so", elf(facts.arch, 65536))
        write(tree, "runtime/bin/python3", elf(facts.arch, 65536), mode=0o755)
        write(tree, "sbom.cdx.json", json.dumps(_bill()))
        manifest.write(tree)
    pins = read_image_pins()
    names = {LOADER[facts.arch].rpartition("/")[2], "libc.so.6", "libgcc_s.so.1"}
    libraries = {name: elf(facts.arch, 65536) for name in names}
    command, settings = (HERE / "ao").read_bytes(), (HERE / "settings.toml").read_bytes()
    lower = with_folders(below(facts.arch, libraries, command, settings))
    upper = with_folders(above(tree, papers(tree, facts, pins)))
    layers = [
        write_layer(spoil(entries), EPOCH, folder / name) for name, entries in (("lower", lower), ("upper", upper))
    ]
    return write_image(facts, layers, EPOCH, folder)


def looked(image: Image, facts: Facts = FACTS) -> Looked:
    return Looked.at(open_image(image.file), facts, read_image_pins(), (BUILDER,))


def with_pins(of: Looked, change: Callable[[Package], Package]) -> Looked:
    pins: Pins = replace(of.pins, packages=tuple(change(each) for each in of.pins.packages))
    return replace(of, pins=pins)


def changed(path: str, **values: object) -> Spoil:
    """The entry of this path with these values instead."""

    def spoil(entries: list[Entry]) -> list[Entry]:
        return [replace(each, **values) if each.path == path else each for each in entries]  # type: ignore[arg-type]

    return spoil


def added(*more: Entry) -> Spoil:
    """Put into the lower layer."""

    def spoil(entries: list[Entry]) -> list[Entry]:
        is_lower = any(each.path == "etc/passwd" for each in entries)
        return with_folders(_both(entries, more)) if is_lower else entries

    return spoil


def without(path: str) -> Spoil:
    return lambda entries: [each for each in entries if each.path != path]


def _both(entries: list[Entry], more: tuple[Entry, ...]) -> Iterator[Entry]:
    yield from entries
    yield from more


def _bill() -> dict[str, object]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [{"type": "library", "bom-ref": "part", "name": "part", "version": "1.0"}],
    }
