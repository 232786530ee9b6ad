"""Copies of the sealed files beside the database, so that its damage does not take the chain along.

A copy is the committed row's bytes under `sealed/<epoch>-<seq>.json`. What is missing is written with the next sealing;
nothing is ever written over.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from appliance.ledger.seal import Sealed, sealed_files
from appliance.state.site import Site
from licensing.algorithms import PublicKey
from licensing.envelope import parse
from licensing.errors import Refusal
from licensing.strict_json import load_object
from licensing.usage import Usage, open_usage
from media.reader import LIMITS, read_document
from media.writer import write_document

log = logging.getLogger("ao.ledger")

FOLDER = "sealed"


def keep_copies(site: Site) -> None:
    """Writes the copies that are not there yet. A disk that takes none now is tried again later."""
    folder = site.folder / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        there = {each.name for each in folder.iterdir()}
        last = site.database.execute("SELECT seq FROM usage_files ORDER BY seq").fetchall()
        missing = [row["seq"] for row in last if _name(site.epoch, row["seq"]) not in there]
        for seq in missing:
            [sealed] = sealed_files(site.database, seq - 1)[:1]
            write_document(folder / _name(site.epoch, seq), sealed.data, mode=0o600)
    except (OSError, Refusal) as exc:
        log.warning("sealed files could not be copied to %s: %s", folder, exc)


def read_copies(folder: Path, key: PublicKey) -> list[tuple[Usage, str, bytes]]:
    """The claims, digest and bytes of every copy that this site's key signed, by epoch and number."""
    found: list[tuple[Usage, str, bytes]] = []
    for file in sorted(folder.glob("*.json")):
        try:
            data = read_document(file, limit=LIMITS["usage"])
            opened = open_usage(data, key)
        except Refusal as exc:
            log.warning("%s is no copy of a sealed file: %s", file, exc)
            continue
        found.append((opened.claims, opened.digest, data))
    return sorted(found, key=lambda each: (each[0].epoch, each[0].seq))


def former_files(database: sqlite3.Connection, *, everything: bool) -> list[Sealed]:
    """Files of the epochs before a restore: those the vendor may not have, until it has acknowledged one of this."""
    heard = database.execute("SELECT 1 FROM receipts").fetchone() is not None
    rows = database.execute(
        "SELECT * FROM former_files WHERE ? OR (acknowledged = 0 AND NOT ?) ORDER BY epoch, seq", (everything, heard)
    )
    return [_sealed(row["name"], bytes(row["bytes"]), row["digest"]) for row in rows]


def _sealed(name: str, data: bytes, digest: str) -> Sealed:
    usage = Usage.from_mapping(load_object(parse(data).body))
    return Sealed(usage.seq, name, usage.period, digest, data)


def _name(epoch: int, seq: int) -> str:
    return f"{epoch}-{seq:06d}.json"
