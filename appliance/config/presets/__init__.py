"""The routing presets: each is a file here, and nothing but the YAML of a policy that anybody could have written."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from media.strict_yaml import Document, load

PRESETS = ("balanced", "cheapest", "fastest", "private-first")


@cache
def preset_text(name: str) -> str:
    """The file, comments and all. `name` is one of PRESETS."""
    return (files(__package__) / f"{name}.yaml").read_text("utf-8")


@cache
def preset_document(name: str) -> Document:
    return load(preset_text(name).encode())
