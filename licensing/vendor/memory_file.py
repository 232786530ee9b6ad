"""The file that the vendor's memory is: one SQLite database of known shape, opened, brought up to date, and locked.

Promise: everything happens inside `transaction`, whole or not at all, and is on the disk when it returns (WAL with
synchronous=FULL). A file of another shape is refused and left as it is. What the tables hold is the business of
`memory.py` and `usage_memory.py`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from licensing.shown import shown
from licensing.vendor.errors import MemoryRefused
from licensing.vendor.memory_schema import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 10.0


class MemoryFile:
    """An open vendor.db. `one`, `all` and `change` are called inside a transaction."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        """Opens an existing memory and brings its schema up to date. Raises MemoryRefused."""
        self.where = shown(str(path))
        if not path.is_file():
            raise MemoryRefused("The vendor's memory is not there.", where=self.where)
        with self._wrapped():
            # mode=rw: a file that is gone meanwhile is an error and not an empty memory.
            uri = f"{path.absolute().as_uri()}?mode=rw"
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            with self._wrapped():
                self._require_memory(new=new)
                for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                    self._db.execute(f"PRAGMA {setting}").close()
                self._migrate()
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new, empty memory that only its owner can read. Raises MemoryRefused where there is a file already."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise MemoryRefused("The vendor's memory cannot be made.", where=shown(str(path))) from error
        return cls(path, new=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that happens inside is committed together at its end, or not at all."""
        with self._wrapped():
            self._db.execute("BEGIN IMMEDIATE")
        try:
            with self._wrapped():
                yield
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.rollback()

    def one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
        return row

    def all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(statement, values).fetchall()

    def each(self, statement: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """As `all`, a row at a time: for documents, of which there may be more than fit into memory."""
        yield from self._db.execute(statement, values)

    def change(self, statement: str, values: Sequence[object]) -> None:
        self._db.execute(statement, values)

    def _require_memory(self, *, new: bool) -> None:
        """An empty file is a memory only when it was made a moment ago: one that was emptied would give out serials
        from the beginning again."""
        version, identity = self._number("user_version"), self._number("application_id")
        if not (new and (version, identity) == (0, 0)) and identity != APPLICATION_ID:
            raise MemoryRefused("This file is not a vendor's memory.", where=self.where)
        if version > len(MIGRATIONS):
            raise MemoryRefused(
                f"The vendor's memory has schema {version}; this release knows {len(MIGRATIONS)}.",
                where=self.where,
                remedy="Use the newer release of ao-vendor that wrote it.",
            )

    def _number(self, pragma: str) -> int:
        return int(self._db.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _migrate(self) -> None:
        version = self._number("user_version")
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            with self.transaction():
                for statement in statements:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _wrapped(self) -> Iterator[None]:
        """Turns the library's errors into a refusal; a person can act on these, the rest of the code need not know."""
        try:
            yield
        except sqlite3.Error as error:
            raise MemoryRefused(
                f"The vendor's memory cannot be used: {shown(str(error))}.", where=self.where
            ) from error
