"""Sealing the keys in a config's text to the site whose request lies beside it. Needs no site's state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.config.seal_text import seal_text
from licensing.shown import shown
from licensing.site_request import open_site_request
from media.reader import LIMITS, read_document
from media.writer import write_document


@dataclass(frozen=True, slots=True)
class Sealed:
    """`sealed` and `left`: the entries whose key was sealed, and those that held none in clear."""

    site: str
    sealed: tuple[str, ...]
    left: tuple[str, ...]


def seal_config(file: Path, request: Path, out: Path) -> Sealed:
    """Writes the text with its keys sealed, readable by its owner alone: it holds what the first text held beside.

    Raises what reading either file refuses, YamlRefused with line and column, AlreadyThere.
    """
    claims = open_site_request(read_document(request, limit=LIMITS["site-request"])).claims
    data = read_document(file, limit=LIMITS["config"])
    done = seal_text(data, file=shown(str(file), 400), site=claims.site, sealing_key=claims.sealing_key)
    write_document(out, done.text.encode(), mode=0o600, replace=out == file)
    return Sealed(claims.site, done.sealed, done.left)
