"""The vendor's memory: one SQLite file that knows every site, every document issued and every usage file accepted.

Promise: everything happens inside `transaction`, whole or not at all, and is on the disk when it returns (WAL with
synchronous=FULL). Accepted usage, evidence and issued documents are never overwritten. What leaves the house is in here
first; a file that was lost on its way out is written again from here, byte for byte. Decides nothing: times and bytes
are arguments.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from licensing.algorithms import PublicKey
from licensing.document import Verified, format_time, parse_time
from licensing.envelope import parse
from licensing.errors import Refusal
from licensing.shown import shown
from licensing.site_request import SiteRequest
from licensing.usage import Usage
from licensing.vendor.errors import MemoryRefused
from licensing.vendor.findings import Chain, Evidence, SiteView, Taken
from licensing.vendor.memory_schema import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A site's key in an epoch, as its request presented it."""

    number: int
    site: str
    epoch: int
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A document that the vendor signed for a site. `order` is the digest of what was asked for."""

    site: str
    serial: int
    order: str
    document: bytes
    at: datetime
    delivered: bool


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """A receipt as it was issued: for a chain, up to file `seq`."""

    site: str
    epoch: int
    seq: int
    document: bytes


class Memory:
    """An open vendor.db. Every method but `transaction` and `close` is called inside a transaction."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        """Opens an existing memory and brings its schema up to date. Raises MemoryRefused."""
        self._where = shown(str(path))
        if not path.is_file():
            raise MemoryRefused("The vendor's memory is not there.", where=self._where)
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

    # -- sites ---------------------------------------------------------------------------------------------------------

    def current_enrolment(self, site: str) -> Enrolment | None:
        """The key and epoch under which the site last enrolled."""
        row = self._one(
            "SELECT e.number, e.site, e.epoch, e.algorithm, e.public FROM sites s "
            "JOIN enrolments e ON e.number = s.current WHERE s.site = ?",
            site,
        )
        return None if row is None else _enrolment(row)

    def owners_of(self, keyid: str) -> frozenset[str]:
        """The sites that ever enrolled with this key."""
        return frozenset(row[0] for row in self._all("SELECT site FROM enrolments WHERE keyid = ?", keyid))

    def enrol(self, request: Verified[SiteRequest], document: bytes, at: datetime) -> None:
        """Makes this request's key and epoch the site's current ones. A key that returns to its epoch takes up its
        own chain again, so that nothing accepted once can be accepted twice."""
        claims = request.claims
        key = claims.key.key
        self._db.execute(
            "INSERT INTO sites (site, name) VALUES (?, ?) ON CONFLICT (site) DO UPDATE SET name = excluded.name",
            (claims.site, claims.name),
        )
        self._db.execute(
            "INSERT INTO enrolments (site, epoch, keyid, algorithm, public, sealing_key, product_version, request,"
            " enrolled_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (site, epoch, keyid) DO NOTHING",
            (
                claims.site,
                claims.epoch,
                key.keyid,
                key.algorithm,
                key.public,
                claims.sealing_key,
                claims.product_version,
                document,
                format_time(at),
            ),
        )
        self._db.execute(
            "UPDATE sites SET current ="
            " (SELECT number FROM enrolments WHERE site = ?1 AND epoch = ?2 AND keyid = ?3) WHERE site = ?1",
            (claims.site, claims.epoch, key.keyid),
        )

    # -- licences ------------------------------------------------------------------------------------------------------

    def last_licence(self, site: str) -> Issued | None:
        return self._last("licences", "terms", "issued_at", site)

    def licence_holders(self, licence: str) -> frozenset[str]:
        """The sites that hold a licence of this id."""
        return frozenset(row[0] for row in self._all("SELECT site FROM licences WHERE licence = ?", licence))

    def record_licence(self, issued: Issued, *, licence: str, epoch: int, digest: str) -> None:
        self._db.execute(
            "INSERT INTO licences (site, serial, licence, epoch, terms, digest, document, issued_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (issued.site, issued.serial, licence, epoch, issued.order, digest, issued.document, format_time(issued.at)),
        )

    def licences(self) -> Sequence[bytes]:
        """Every licence issued, by site and serial."""
        return tuple(row[0] for row in self._all("SELECT document FROM licences ORDER BY site, serial"))

    def licences_of(self, site: str) -> Sequence[bytes]:
        """Every licence issued to this site, by serial."""
        return tuple(row[0] for row in self._all("SELECT document FROM licences WHERE site = ? ORDER BY serial", site))

    # -- configs -------------------------------------------------------------------------------------------------------

    def last_config(self, site: str) -> Issued | None:
        return self._last("configs", "source", "signed_at", site)

    def record_config(self, issued: Issued, *, digest: str) -> None:
        self._db.execute(
            "INSERT INTO configs (site, serial, source, digest, document, signed_at) VALUES (?, ?, ?, ?, ?, ?)",
            (issued.site, issued.serial, issued.order, digest, issued.document, format_time(issued.at)),
        )

    def mark_delivered(self, kind: str, site: str, serial: int) -> None:
        """Notes that the file of a licence, config or time token was written out."""
        table = {"licence": "licences", "config": "configs", "time": "time_tokens"}[kind]
        self._db.execute(f"UPDATE {table} SET delivered = 1 WHERE site = ? AND serial = ?", (site, serial))  # noqa: S608

    # -- usage ---------------------------------------------------------------------------------------------------------

    def site_view(self, site: str) -> SiteView | None:
        """What reconciliation must know of a site."""
        rows = self._all(
            "SELECT e.number, e.site, e.epoch, e.algorithm, e.public FROM enrolments e JOIN sites s USING (site)"
            " WHERE e.site = ? ORDER BY e.number = s.current DESC, e.number DESC",
            site,
        )
        if not rows:
            return None
        chains: list[Chain] = []
        for enrolment in map(_enrolment, rows):
            superseded = any(chain.epoch == enrolment.epoch for chain in chains)
            chains.append(self._chain(enrolment, superseded=superseded))
        licences = self._all("SELECT licence, serial, epoch FROM licences WHERE site = ?", site)
        return SiteView(site, tuple(chains), frozenset((row[0], row[1], row[2]) for row in licences))

    def keys_of_all_sites(self) -> Sequence[tuple[str, PublicKey]]:
        """Every key that any site ever enrolled with, and the site."""
        rows = self._all("SELECT site, algorithm, public FROM enrolments ORDER BY number")
        return tuple((row[0], PublicKey(row[1], row[2])) for row in rows)

    def keep_accepted(self, taken: Taken, at: datetime) -> None:
        period = taken.usage.period
        self._db.execute(
            "INSERT INTO usage_accepted (enrolment, seq, digest, period_start, period_end, document, accepted_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                taken.enrolment,
                taken.usage.seq,
                taken.digest,
                format_time(period.start),
                format_time(period.end),
                taken.document,
                format_time(at),
            ),
        )

    def keep_evidence(self, kept: Evidence, at: datetime) -> None:
        """Keeps a refused file beside what it contradicts. One that is kept already stays as it was first seen."""
        self._db.execute(
            "INSERT OR IGNORE INTO usage_evidence (site, digest, verdict, epoch, seq, evidence, document, seen_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (kept.site, kept.digest, kept.verdict, kept.epoch, kept.seq, kept.sentence, kept.document, format_time(at)),
        )

    # -- receipts ------------------------------------------------------------------------------------------------------

    def last_receipt_serial(self, site: str) -> int:
        row = self._one("SELECT coalesce(max(serial), 0) FROM receipts WHERE site = ?", site)
        return 0 if row is None else int(row[0])

    def record_receipt(
        self, *, site: str, serial: int, enrolment: int, seq: int, head: str, digest: str, document: bytes, at: datetime
    ) -> None:
        self._db.execute(
            "INSERT INTO receipts (site, serial, enrolment, seq, head, digest, document, issued_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (site, serial, enrolment, seq, head, digest, document, format_time(at)),
        )

    def latest_receipt(self, enrolment: int) -> KeptReceipt | None:
        row = self._one(
            "SELECT r.site, e.epoch, r.seq, r.document FROM receipts r JOIN enrolments e ON e.number = r.enrolment"
            " WHERE r.enrolment = ? ORDER BY r.serial DESC LIMIT 1",
            enrolment,
        )
        return None if row is None else KeptReceipt(*row)

    # -- trust ---------------------------------------------------------------------------------------------------------

    def trusts(self) -> Sequence[tuple[str, bytes]]:
        """Digest and document of every version from 1 to the newest adopted; nothing while there is only the first."""
        return tuple((row[0], row[1]) for row in self._all("SELECT digest, document FROM trusts ORDER BY version"))

    def newest_trust(self) -> int:
        """The newest version adopted; 1 while there is only the first."""
        row = self._one("SELECT coalesce(max(version), 1) FROM trusts")
        return 1 if row is None else int(row[0])

    def record_trust(self, version: int, digest: str, document: bytes, at: datetime) -> None:
        self._db.execute(
            "INSERT INTO trusts (version, digest, document, adopted_at) VALUES (?, ?, ?, ?)",
            (version, digest, document, format_time(at)),
        )

    # -- time ----------------------------------------------------------------------------------------------------------

    def last_time_serial(self, site: str) -> int:
        row = self._one("SELECT coalesce(max(serial), 0) FROM time_tokens WHERE site = ?", site)
        return 0 if row is None else int(row[0])

    def time_token_answering(self, site: str, challenge: str) -> Issued | None:
        """The token that answered this challenge, if one did. Its `order` is the digest of what was asked for."""
        row = self._one(
            "SELECT site, serial, request, document, issued_at, delivered FROM time_tokens"
            " WHERE site = ? AND challenge = ?",
            site,
            challenge,
        )
        return None if row is None else _issued(row)

    def record_time_token(self, issued: Issued, *, enrolment: int, challenge: str, digest: str) -> None:
        self._db.execute(
            "INSERT INTO time_tokens (site, serial, enrolment, challenge, request, digest, document, issued_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                issued.site,
                issued.serial,
                enrolment,
                challenge,
                issued.order,
                digest,
                issued.document,
                format_time(issued.at),
            ),
        )

    # -- within --------------------------------------------------------------------------------------------------------

    def _chain(self, enrolment: Enrolment, *, superseded: bool) -> Chain:
        accepted = self._all("SELECT seq, digest FROM usage_accepted WHERE enrolment = ?", enrolment.number)
        last = self._one(
            "SELECT document FROM usage_accepted WHERE enrolment = ? ORDER BY seq DESC LIMIT 1", enrolment.number
        )
        try:
            # Verified when it was accepted; it is this memory that vouches for it since.
            head = None if last is None else Usage.model_validate_json(parse(last[0]).body)
        except (Refusal, ValidationError) as error:
            raise MemoryRefused(
                f"The last usage file accepted from site {enrolment.site!r} is no longer readable.", where=self._where
            ) from error
        return Chain(
            enrolment=enrolment.number,
            site=enrolment.site,
            epoch=enrolment.epoch,
            key=enrolment.key,
            superseded=superseded,
            accepted={row[0]: row[1] for row in accepted},
            head=head,
        )

    def _last(self, table: str, order: str, at: str, site: str) -> Issued | None:
        row = self._one(
            f"SELECT site, serial, {order}, document, {at}, delivered FROM {table}"  # noqa: S608
            " WHERE site = ? ORDER BY serial DESC LIMIT 1",
            site,
        )
        return None if row is None else _issued(row)

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._db.execute(statement, values).fetchone()
        return row

    def _all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(statement, values).fetchall()

    def _require_memory(self, *, new: bool) -> None:
        """An empty file is a memory only when it was made a moment ago: one that was emptied would give out serials
        from the beginning again."""
        version, identity = self._number("user_version"), self._number("application_id")
        if not (new and (version, identity) == (0, 0)) and identity != APPLICATION_ID:
            raise MemoryRefused("This file is not a vendor's memory.", where=self._where)
        if version > len(MIGRATIONS):
            raise MemoryRefused(
                f"The vendor's memory has schema {version}; this release knows {len(MIGRATIONS)}.",
                where=self._where,
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
                f"The vendor's memory cannot be used: {shown(str(error))}.", where=self._where
            ) from error


def _enrolment(row: tuple[Any, ...]) -> Enrolment:
    return Enrolment(row[0], row[1], row[2], PublicKey(row[3], row[4]))


def _issued(row: tuple[Any, ...]) -> Issued:
    return Issued(row[0], row[1], row[2], row[3], parse_time(row[4]), bool(row[5]))
