"""What the vendor's desk has handed out: every site that enrolled, and every licence, config, trust and time token.

Promise: what leaves the house is in here first; a file that was lost on its way out is written again from here, byte
for byte. Issued documents are never overwritten. What came in is beside it, in `usage`. Decides nothing: times and
bytes are arguments. Every method is called inside `transaction`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from licensing.algorithms import PublicKey
from licensing.document import Verified, format_time, parse_time
from licensing.site_request import SiteRequest
from licensing.vendor.memory_file import MemoryFile
from licensing.vendor.usage_memory import UsageMemory


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


_DELIVERED: Final = {
    "licence": "UPDATE licences SET delivered = 1 WHERE site = ? AND serial = ?",
    "config": "UPDATE configs SET delivered = 1 WHERE site = ? AND serial = ?",
    "time": "UPDATE time_tokens SET delivered = 1 WHERE site = ? AND serial = ?",
}


class Memory(MemoryFile):
    """An open vendor.db, as the desk uses it."""

    @property
    def usage(self) -> UsageMemory:
        """The part of it that holds what sites reported."""
        return UsageMemory(self)

    # -- sites ---------------------------------------------------------------------------------------------------------

    def current_enrolment(self, site: str) -> Enrolment | None:
        """The key and epoch under which the site last enrolled."""
        row = self.one(
            "SELECT e.number, e.site, e.epoch, e.algorithm, e.public FROM sites s "
            "JOIN enrolments e ON e.number = s.current WHERE s.site = ?",
            site,
        )
        return None if row is None else _enrolment(row)

    def owners_of(self, keyid: str) -> frozenset[str]:
        """The sites that ever enrolled with this key."""
        return frozenset(row[0] for row in self.all("SELECT site FROM enrolments WHERE keyid = ?", keyid))

    def enrol(self, request: Verified[SiteRequest], document: bytes, at: datetime) -> None:
        """Makes this request's key and epoch the site's current ones. A key that returns to its epoch takes up its
        own chain again, so that nothing accepted once can be accepted twice."""
        claims = request.claims
        key = claims.key.key
        self.change(
            "INSERT INTO sites (site, name) VALUES (?, ?) ON CONFLICT (site) DO UPDATE SET name = excluded.name",
            (claims.site, claims.name),
        )
        self.change(
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
        self.change(
            "UPDATE sites SET current ="
            " (SELECT number FROM enrolments WHERE site = ?1 AND epoch = ?2 AND keyid = ?3) WHERE site = ?1",
            (claims.site, claims.epoch, key.keyid),
        )

    # -- licences ------------------------------------------------------------------------------------------------------

    def last_licence(self, site: str) -> Issued | None:
        return self._issued(
            "SELECT site, serial, terms, document, issued_at, delivered FROM licences"
            " WHERE site = ? ORDER BY serial DESC LIMIT 1",
            site,
        )

    def licence_holders(self, licence: str) -> frozenset[str]:
        """The sites that hold a licence of this id."""
        return frozenset(row[0] for row in self.all("SELECT site FROM licences WHERE licence = ?", licence))

    def record_licence(self, issued: Issued, *, licence: str, epoch: int, digest: str) -> None:
        self.change(
            "INSERT INTO licences (site, serial, licence, epoch, terms, digest, document, issued_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (issued.site, issued.serial, licence, epoch, issued.order, digest, issued.document, format_time(issued.at)),
        )

    def licences(self) -> Sequence[bytes]:
        """Every licence issued, by site and serial."""
        return tuple(row[0] for row in self.all("SELECT document FROM licences ORDER BY site, serial"))

    def licences_of(self, site: str) -> Sequence[bytes]:
        """Every licence issued to this site, by serial."""
        return tuple(row[0] for row in self.all("SELECT document FROM licences WHERE site = ? ORDER BY serial", site))

    # -- configs -------------------------------------------------------------------------------------------------------

    def last_config(self, site: str) -> Issued | None:
        return self._issued(
            "SELECT site, serial, source, document, signed_at, delivered FROM configs"
            " WHERE site = ? ORDER BY serial DESC LIMIT 1",
            site,
        )

    def record_config(self, issued: Issued, *, digest: str) -> None:
        self.change(
            "INSERT INTO configs (site, serial, source, digest, document, signed_at) VALUES (?, ?, ?, ?, ?, ?)",
            (issued.site, issued.serial, issued.order, digest, issued.document, format_time(issued.at)),
        )

    def mark_delivered(self, kind: str, site: str, serial: int) -> None:
        """Notes that the file of a licence, config or time token was written out."""
        self.change(_DELIVERED[kind], (site, serial))

    # -- trust ---------------------------------------------------------------------------------------------------------

    def trusts(self) -> Sequence[tuple[str, bytes]]:
        """Digest and document of every version from 1 to the newest adopted; nothing while there is only the first."""
        return tuple((row[0], row[1]) for row in self.all("SELECT digest, document FROM trusts ORDER BY version"))

    def newest_trust(self) -> int:
        """The newest version adopted; 1 while there is only the first."""
        row = self.one("SELECT coalesce(max(version), 1) FROM trusts")
        return 1 if row is None else int(row[0])

    def record_trust(self, version: int, digest: str, document: bytes, at: datetime) -> None:
        self.change(
            "INSERT INTO trusts (version, digest, document, adopted_at) VALUES (?, ?, ?, ?)",
            (version, digest, document, format_time(at)),
        )

    # -- time ----------------------------------------------------------------------------------------------------------

    def last_time_serial(self, site: str) -> int:
        row = self.one("SELECT coalesce(max(serial), 0) FROM time_tokens WHERE site = ?", site)
        return 0 if row is None else int(row[0])

    def time_token_answering(self, site: str, challenge: str) -> Issued | None:
        """The token that answered this challenge, if one did. Its `order` is the digest of what was asked for."""
        return self._issued(
            "SELECT site, serial, request, document, issued_at, delivered FROM time_tokens"
            " WHERE site = ? AND challenge = ?",
            site,
            challenge,
        )

    def record_time_token(self, issued: Issued, *, enrolment: int, challenge: str, digest: str) -> None:
        self.change(
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

    def _issued(self, statement: str, *values: object) -> Issued | None:
        row = self.one(statement, *values)
        return None if row is None else Issued(row[0], row[1], row[2], row[3], parse_time(row[4]), bool(row[5]))


def _enrolment(row: tuple[Any, ...]) -> Enrolment:
    return Enrolment(row[0], row[1], row[2], PublicKey(row[3], row[4]))
