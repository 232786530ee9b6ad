"""The secrets of this host, read only to be searched for: not one of them is kept, shown or written."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

_LIMIT: Final = 64 * 1024
_TOKEN: Final = re.compile(rb"[A-Za-z0-9+/=_-]{16,}")
_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW", re.IGNORECASE)
SITE_KEY: Final = "site.key"


def secrets_here(
    *,
    state: Path,
    folders: Iterable[Path],
    environment: Mapping[str, str],
    documents: Iterable[Any],
    known: Iterable[str],
) -> dict[str, bytes]:
    """By a name that may be shown. `documents` are settings and config as they were read: what they hold under names
    of keys. `known` are names of variables that the config asks for."""
    found: dict[str, bytes] = {}
    for number, token in enumerate(_TOKEN.findall(_read(state / SITE_KEY)), 1):
        found[f"the site's key, piece {number}"] = token
        with suppress(ValueError):
            found[f"the site's key, piece {number}, decoded"] = base64.b64decode(token, validate=True)
    for folder in folders:
        for file in _files(folder):
            data = _read(file)
            found[f"the secret in {file}"] = data.strip()
            for number, line in enumerate(data.split(b"\n"), 1):
                found[f"the secret in {file}, line {number}"] = line.strip()
    asked = set(known)
    for name, value in environment.items():
        if name in asked or _SECRET_NAME.search(name):
            found[f"the variable {name}"] = value.encode("utf-8", "surrogateescape")
    for document in documents:
        for number, value in enumerate(_under_secret_names(document), 1):
            found[f"a key in a document, number {number}"] = value.encode("utf-8", "surrogateescape")
    return found


def _under_secret_names(value: Any, named: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inside in value.items():
            yield from _under_secret_names(inside, bool(_SECRET_NAME.search(str(name))))
    elif isinstance(value, list):
        for inside in value:
            yield from _under_secret_names(inside, named)
    elif isinstance(value, str) and named and not value.startswith("${"):
        yield value


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_file())
    except OSError:
        return []


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_LIMIT)
    except OSError:
        return b""
