"""Showing that one exchange is in a sealed file, and no other exchange with it."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime

from appliance.errors import EntryPruned, EntryUnknown, LedgerLost
from appliance.ledger.redact import LABELS, Derive, Redaction, Terms
from appliance.ledger.rows import leaf_of, rows_of_leaves, sealed_into
from licensing.algorithms import PublicKey
from licensing.document import format_time
from licensing.strict_json import load_object
from licensing.usage import open_usage
from licensing.usage_proof import UsageProof, make_proof

_REQUEST_ID = re.compile(r"req_([0-9a-f]{12})[0-9a-f]{6,}")


def prove(database: sqlite3.Connection, name: str, key: PublicKey, derive: Derive) -> UsageProof:
    """The proof for the exchange with this request id. Raises EntryUnknown, EntryPruned, LedgerLost."""
    file = _file_of(database, name)
    usage = open_usage(bytes(file["bytes"]), key)
    redaction = Redaction(Terms.from_members(load_object(file["terms"].encode())), derive) if file["terms"] else None
    true = tuple(database.execute(f"SELECT {', '.join(LABELS)} FROM ledger WHERE id = ?", (name,)).fetchone())  # noqa: S608 - own names
    leaving = redaction.labels(true) if redaction else true
    leaves: list[bytes] = []
    index = -1
    for labels, entries in rows_of_leaves(database, sealed_into(file["seq"]), redaction):
        for entry in entries if labels == leaving else ():
            if entry["id"] == name:
                index = len(leaves)
            leaves.append(leaf_of(entry))
    at = [tuple(getattr(row, label) for label in LABELS) for row in usage.claims.rows]
    if leaving not in at or usage.claims.rows[at.index(leaving)].counts.requests != len(leaves):
        raise LedgerLost(
            f"Usage file {file['seq']} counts this exchange's row otherwise than the ledger does now.",
            remedy="The database was rebuilt or changed; look for the exchange in a backup from before.",
        )
    return make_proof(usage, at.index(leaving), leaves, index)


def _file_of(database: sqlite3.Connection, name: str) -> sqlite3.Row:
    entry = database.execute("SELECT seq FROM ledger WHERE id = ?", (name,)).fetchone()
    if entry is None:
        _raise_if_pruned(database, name)
        raise EntryUnknown(f"There is no exchange {name[:64]!r} in the ledger.")
    if entry["seq"] is None:
        raise EntryUnknown("The exchange is in no file yet.", remedy="Its day is sealed when it is over.")
    file = database.execute("SELECT * FROM usage_files WHERE seq = ?", (entry["seq"],)).fetchone()
    if file is None:
        raise EntryUnknown(
            "The exchange was sealed before this site was restored from a backup.",
            remedy="Restore that backup elsewhere, with no gateway, and ask there.",
        )
    found: sqlite3.Row = file
    return found


def _raise_if_pruned(database: sqlite3.Connection, name: str) -> None:
    """A request id begins with its time: whether the files of that time still have their exchanges is known."""
    stamped = _REQUEST_ID.fullmatch(name)
    if stamped is None:
        return
    at = int(stamped.group(1), 16)
    if not 0 < at < 2**43:
        return
    day = format_time(datetime.fromtimestamp(at / 1000, UTC))
    file = database.execute(
        "SELECT seq FROM usage_files WHERE pruned_at IS NOT NULL AND period_end > ? ORDER BY seq LIMIT 1", (day,)
    ).fetchone()
    if file is not None:
        raise EntryPruned(
            f"The exchanges of usage file {file['seq']}, of the time of this request id, were dropped when their "
            "retention was over."
        )
