"""What a module may be called, how long it may be, that it says what it promises, and what no file may name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.rules.tree import ROOT, Module, modules

NAMES: Mapping[str, str] = {
    "utils": "It says what nobody knew where to put.",
    "util": "It says what nobody knew where to put.",
    "helpers": "It says that somebody is helped, not with what.",
    "manager": "It says that something is managed, not what is done to it.",
    "core": "Everything is the core of something.",
    "common": "It says who uses it, not what it does.",
    "base": "It says that others build on it, not what it does.",
    "misc": "It says what nobody knew where to put.",
}
LINES = 500

# Spelt in two halves, so that this file does not find itself.
REGISTRIES: Mapping[str, str] = {
    "pypi." + "org": "A release is built from what the environment points to, at an air-gapped site as well.",
    "files." + "pythonhosted.org": "A lock names versions and hashes, never a place.",
    "registry." + "npmjs.org": "Nothing is fetched for the console; its assets are in the tree.",
    "cdn." + "jsdelivr.net": "A page must work where there is no internet.",
    "unpkg." + "com": "A page must work where there is no internet.",
    "conda." + "anaconda.org": "A release is built from what the environment points to.",
    "docker." + "io": "Images are carried in; none is pulled.",
    "ghcr." + "io": "Images are carried in; none is pulled.",
    "--index" + "-url": "Which index is used is the host's matter.",
    "--extra-index" + "-url": "Which index is used is the host's matter.",
    "--trusted" + "-host": "No host is trusted by a file in the tree.",
}
SKIPPED = {
    ".git",
    ".venv",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".bench",
    "__pycache__",
    "dist",
    "node_modules",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_named_for_what_it_does(name: str) -> None:
    found = [module.path for module in modules() if name in module.path.removesuffix(".py").split("/")]
    assert not found, f"{name}: {NAMES[name]} {found}"


def test_a_module_can_be_read_in_one_sitting() -> None:
    lengths = {module.path: len(module.text.splitlines()) for module in modules()}
    assert len(lengths) > 20
    assert {path: lines for path, lines in lengths.items() if lines > LINES} == {}


def is_public(module: Module) -> bool:
    """A package that only groups its modules, with an empty `__init__`, promises nothing."""
    parts = module.path.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        return bool(module.text.strip())
    return not parts[-1].startswith("_")


def test_every_public_module_states_its_promise() -> None:
    silent = [module.path for module in modules() if is_public(module) and not ast.get_docstring(module.syntax)]
    assert not silent


def texts() -> Iterator[tuple[str, str]]:
    for path in _files(ROOT):
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name in SKIPPED or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def test_no_file_names_a_registry() -> None:
    tree = dict(texts())
    assert {"pyproject.toml", "Makefile", "packaging/locks/runtime.txt", "tests/rules/test_shape.py"} <= set(tree)
    found = [
        f"{path} names {host}: {reason}"
        for path, text in tree.items()
        for host, reason in REGISTRIES.items()
        if host in text
    ]
    assert not found
