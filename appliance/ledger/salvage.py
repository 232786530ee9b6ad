"""What can still be read out of a damaged database: each table from its first row on, then from its last one back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLES = {
    # In an order that each table's references are there before it. The second member walks the table.
    "site": "only",
    "documents": "rowid",
    "in_force": "rowid",
    "time_floor": "only",
    "api_keys": "rowid",
    "runs": "id",
    "receipts": "rowid",
    "usage_files": "seq",
    "anomalies": "rowid",
    "clock_steps": "rowid",
    "predecessor": "only",
    "former_files": "rowid",
    "ledger": "id",
}


@dataclass(frozen=True, slots=True)
class Salvaged:
    """Rows read, and whether the whole table could be."""

    table: str
    rows: int
    whole: bool


def tables_in(database: sqlite3.Connection) -> dict[str, str]:
    """Every table that holds facts, with the column that it is walked by. Others' tables are walked by row id."""
    names = [
        row[0]
        for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    ]
    # How far the journal was taken in is not taken over: all of it is read again.
    return {name: TABLES.get(name, "rowid") for name in [*TABLES, *names] if name in names and name != "segments"}


def salvage(damaged: Path, into: sqlite3.Connection) -> list[Salvaged]:
    """Copies what can be read into an empty database of the same shape."""
    found = []
    with closing(sqlite3.connect(damaged)) as source:
        for table, key in tables_in(into).items():
            columns = [row[1] for row in into.execute(f"PRAGMA table_info({table})")]
            put = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - own names
            before, whole = into.total_changes, False
            for direction in ("ASC", "DESC"):
                walk = f"SELECT * FROM {table} ORDER BY {key} {direction}"  # noqa: S608 - own names
                for row in _until_it_breaks(source, walk):
                    if row is None:
                        break
                    into.execute(put, row[: len(columns)] + (None,) * (len(columns) - len(row)))
                else:
                    whole = True
                    break
            found.append(Salvaged(table, into.total_changes - before, whole))
    return found


def _until_it_breaks(source: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...] | None]:
    """The rows; None at the place that cannot be read."""
    try:
        yield from source.execute(query)
    except sqlite3.DatabaseError:
        yield None
