"""Finding a secret in files in whatever form a program may have written it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def forms_of(secret: str) -> dict[str, bytes]:
    """The secret as it is, in base64 at each of its three alignments, in hexadecimal, and in UTF-16."""
    raw = secret.encode()
    forms = {
        "as it is": raw,
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "UTF-16-LE": secret.encode("utf-16-le"),
        "UTF-16-BE": secret.encode("utf-16-be"),
        "reversed": raw[::-1],
    }
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw)
        # The characters that the neighbours do not reach into: 6 bits each, `before` bytes ahead, up to 2 behind.
        inner = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        forms[f"base64, {before} bytes in"] = inner
        forms[f"base64 for URLs, {before} bytes in"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return forms


def found_in(files: Iterable[Path], secrets: Mapping[str, str]) -> list[str]:
    """Which secrets stand where, in words that do not repeat them."""
    needles = [(name, form, needle) for name, secret in secrets.items() for form, needle in forms_of(secret).items()]
    told = []
    for file in files:
        data = file.read_bytes()
        told += [f"{name} ({form}) in {file}" for name, form, needle in needles if needle in data]
    return told


def files_below(folder: Path) -> Iterator[Path]:
    """Every regular file: what lies behind a link is looked at where it lies."""
    return (each for each in sorted(folder.rglob("*")) if each.is_file() and not each.is_symlink())
