"""What sites reported: every usage file accepted, the receipt for it, and the evidence of what was refused.

Promise: accepted usage, evidence and receipts are never overwritten (the schema's triggers refuse it). Decides nothing:
verdicts, times and bytes are arguments. Every method is called inside the file's `transaction`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from licensing.algorithms import PublicKey
from licensing.document import format_time, parse_time
from licensing.envelope import parse
from licensing.errors import Refusal
from licensing.usage import Usage
from licensing.vendor.errors import MemoryRefused
from licensing.vendor.findings import Chain, Evidence, SiteView, Taken
from licensing.vendor.memory_file import MemoryFile


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """A receipt as it was issued: for a chain, up to file `seq`."""

    site: str
    epoch: int
    seq: int
    document: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that counts."""

    site: str
    epoch: int
    enrolment: int
    digest: str
    usage: Usage
    at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """A chain: how many files were accepted in it, the last number, and the time that they cover."""

    enrolment: int
    epoch: int
    files: int
    last: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """A file kept because it contradicts something; `seen_at` is when it first came."""

    site: str
    epoch: int | None
    seq: int | None
    verdict: str
    sentence: str
    digest: str
    seen_at: datetime


class UsageMemory:
    """The usage tables of an open vendor.db."""

    def __init__(self, file: MemoryFile) -> None:
        self._file = file

    # -- usage ---------------------------------------------------------------------------------------------------------

    def site_view(self, site: str) -> SiteView | None:
        """What reconciliation must know of a site."""
        rows = self._file.all(
            "SELECT e.number, e.site, e.epoch, e.algorithm, e.public FROM enrolments e JOIN sites s USING (site)"
            " WHERE e.site = ? ORDER BY e.number = s.current DESC, e.number DESC",
            site,
        )
        if not rows:
            return None
        chains: list[Chain] = []
        for number, _, epoch, algorithm, public in rows:
            superseded = any(chain.epoch == epoch for chain in chains)
            chain = Chain(number, site, epoch, PublicKey(algorithm, public), superseded)
            chains.append(self._with_accepted(chain))
        licences = self._file.all("SELECT licence, serial, epoch FROM licences WHERE site = ?", site)
        return SiteView(site, tuple(chains), frozenset((row[0], row[1], row[2]) for row in licences))

    def keys_of_all_sites(self) -> Sequence[tuple[str, PublicKey]]:
        """Every key that any site ever enrolled with, and the site."""
        rows = self._file.all("SELECT site, algorithm, public FROM enrolments ORDER BY number")
        return tuple((row[0], PublicKey(row[1], row[2])) for row in rows)

    def accepted_between(self, start: datetime, end: datetime, site: str | None = None) -> Iterator[Accepted]:
        """The files whose periods start in `[start, end)`, by site, epoch and number."""
        rows = self._file.each(
            "SELECT e.site, e.epoch, u.enrolment, u.digest, u.document, u.accepted_at FROM usage_accepted u"
            " JOIN enrolments e ON e.number = u.enrolment"
            " WHERE u.period_start >= ?1 AND u.period_start < ?2 AND (?3 IS NULL OR e.site = ?3)"
            " ORDER BY e.site, e.epoch, u.enrolment, u.seq",
            format_time(start),
            format_time(end),
            site,
        )
        for name, epoch, enrolment, digest, document, at in rows:
            yield Accepted(name, epoch, enrolment, digest, self._usage(document, name), parse_time(at))

    def sites(self) -> Sequence[str]:
        return tuple(row[0] for row in self._file.all("SELECT site FROM sites ORDER BY site"))

    def spans(self, site: str) -> Sequence[Span]:
        """For each chain of the site what it covers, by epoch. Empty chains are left in, from when they enrolled."""
        rows = self._file.all(
            "SELECT e.number, e.epoch, e.enrolled_at, count(u.seq), min(u.period_start), max(u.period_end), max(u.seq)"
            " FROM enrolments e LEFT JOIN usage_accepted u ON u.enrolment = e.number"
            " WHERE e.site = ? GROUP BY e.number ORDER BY e.epoch, e.number",
            site,
        )
        return tuple(
            Span(
                enrolment=number,
                epoch=epoch,
                files=files,
                last=last or 0,
                start=parse_time(start or enrolled),
                end=parse_time(end or enrolled),
            )
            for number, epoch, enrolled, files, start, end, last in rows
        )

    def evidence_of(self, site: str) -> Sequence[KeptEvidence]:
        """Every refused or contradictory file kept for the site, oldest first."""
        rows = self._file.all(
            "SELECT site, epoch, seq, verdict, evidence, digest, seen_at FROM usage_evidence WHERE site = ?"
            " ORDER BY seen_at, seq, digest",
            site,
        )
        return tuple(KeptEvidence(row[0], row[1], row[2], row[3], row[4], row[5], parse_time(row[6])) for row in rows)

    def keep_accepted(self, taken: Taken, at: datetime) -> None:
        period = taken.usage.period
        self._file.change(
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
        self._file.change(
            "INSERT OR IGNORE INTO usage_evidence (site, digest, verdict, epoch, seq, evidence, document, seen_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (kept.site, kept.digest, kept.verdict, kept.epoch, kept.seq, kept.sentence, kept.document, format_time(at)),
        )

    # -- receipts ------------------------------------------------------------------------------------------------------

    def last_receipt_serial(self, site: str) -> int:
        row = self._file.one("SELECT coalesce(max(serial), 0) FROM receipts WHERE site = ?", site)
        return 0 if row is None else int(row[0])

    def record_receipt(
        self, *, site: str, serial: int, enrolment: int, seq: int, head: str, digest: str, document: bytes, at: datetime
    ) -> None:
        self._file.change(
            "INSERT INTO receipts (site, serial, enrolment, seq, head, digest, document, issued_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (site, serial, enrolment, seq, head, digest, document, format_time(at)),
        )

    def latest_receipt(self, enrolment: int) -> KeptReceipt | None:
        row = self._file.one(
            "SELECT r.site, e.epoch, r.seq, r.document FROM receipts r JOIN enrolments e ON e.number = r.enrolment"
            " WHERE r.enrolment = ? ORDER BY r.serial DESC LIMIT 1",
            enrolment,
        )
        return None if row is None else KeptReceipt(*row)

    # -- within --------------------------------------------------------------------------------------------------------

    def _with_accepted(self, chain: Chain) -> Chain:
        accepted = self._file.all("SELECT seq, digest FROM usage_accepted WHERE enrolment = ?", chain.enrolment)
        last = self._file.one(
            "SELECT document FROM usage_accepted WHERE enrolment = ? ORDER BY seq DESC LIMIT 1", chain.enrolment
        )
        head = None if last is None else self._usage(last[0], chain.site)
        return replace(chain, accepted={row[0]: row[1] for row in accepted}, head=head)

    def _usage(self, document: bytes, site: str) -> Usage:
        """Verified when it was accepted; it is this memory that vouches for it since."""
        try:
            return Usage.model_validate_json(parse(document).body)
        except (Refusal, ValidationError) as error:
            raise MemoryRefused(
                f"A usage file accepted from site {site!r} is no longer readable.", where=self._file.where
            ) from error
