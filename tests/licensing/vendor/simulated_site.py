"""A site without an appliance: a key, a chain of usage files, and the ways in which a site may come to lie."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licensing.algorithms import ED25519, PublicKey, digest
from licensing.envelope import sign, to_json
from licensing.merkle import root_of
from licensing.site_request import SiteRequest
from licensing.trust import KeyRecord
from licensing.usage import (
    Admission,
    ClockFacts,
    Counts,
    Latency,
    Period,
    Predecessor,
    Row,
    Usage,
    advance_registers,
    totals_by_model,
    tree_of,
)

DAY = timedelta(days=1)
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)

Change = Callable[[Usage], Usage]


class SiteKey:
    """A site's private key: the same for the same name, in every run."""

    def __init__(self, name: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(ED25519, self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def row(team: str, model: str, requests: int, tokens: int = 100) -> Row:
    """A row of so many requests, each with so many prompt tokens and half as many in reply."""
    return Row(
        org="works",
        team=team,
        key=f"{team}-key",
        model=model,
        provider="local",
        counts=Counts(requests=requests, prompt_tokens=requests * tokens, completion_tokens=requests * tokens // 2),
        latency_ms=Latency(p50=100, p95=200, p99=300),
        entries_root=root_of(f"{team}/{model}/{number}".encode() for number in range(requests)),
    )


ROWS = (row("assembly", "small", 3), row("quality", "large", 2))


@dataclass
class SimulatedSite:
    """Seals one file a day, each following on the one before."""

    site: str = "plant-7"
    epoch: int = 1
    key: SiteKey = field(default_factory=lambda: SiteKey("plant-7"))
    licence: str | None = None
    licence_serial: int = 1
    day: datetime = FIRST_DAY
    seq: int = 0
    previous: str | None = None
    predecessor: Predecessor | None = None
    registers: dict[str, Counts] = field(default_factory=dict)

    def request(self, **changes: Any) -> bytes:
        """The site request, signed by the site's own key."""
        claims = SiteRequest(
            schema_version=1,
            serial=1,
            issued_at=FIRST_DAY,
            site=self.site,
            name="Works, line 7",
            epoch=self.epoch,
            key=KeyRecord(algorithm=ED25519, public=self.key.public_key.public),
            sealing_key=bytes(32),
            product_version="0.1.0",
        ).model_copy(update=changes)
        return to_json(sign(SiteRequest.payload_type(), claims.to_bytes(), [self.key]))

    def clone(self) -> SimulatedSite:
        """The same state a second time: a copied appliance, or one restored from a backup."""
        return copy.deepcopy(self)

    def seal(self, rows: tuple[Row, ...] = ROWS, change: Change = lambda usage: usage) -> bytes:
        """The next day's file. `change` is what a dishonest site does before it signs."""
        usage = change(self._next(rows))
        self.seq, self.day = usage.seq, usage.period.end
        self.registers = dict(usage.registers)
        self.previous = digest(usage.to_bytes())
        return signed_usage(usage, self.key)

    def days(self, count: int) -> list[bytes]:
        return [self.seal() for _ in range(count)]

    def _next(self, rows: tuple[Row, ...]) -> Usage:
        deltas, tree = totals_by_model(rows), tree_of(rows)
        midnight = self.day.replace(hour=0, minute=0, second=0) + DAY
        return Usage(
            schema_version=1,
            serial=self.seq + 1,
            issued_at=midnight,
            site=self.site,
            epoch=self.epoch,
            licence=self.licence,
            licence_serial=None if self.licence is None else self.licence_serial,
            seq=self.seq + 1,
            period=Period(start=self.day, end=midnight),
            rows=rows,
            deltas=deltas,
            registers=advance_registers(self.registers, deltas),
            tree=tree,
            previous=self.previous,
            predecessor=self.predecessor if self.seq == 0 else None,
            admissions=(
                (Admission(licence_serial=self.licence_serial, config_serial=1, requests=tree.size),) if rows else ()
            ),
            clock=ClockFacts(floor=midnight),
        )


def signed_usage(usage: Usage, key: SiteKey) -> bytes:
    return to_json(sign(Usage.payload_type(), usage.to_bytes(), [key]))


def changing(**members: Any) -> Change:
    """A change that replaces members without asking whether they still fit together."""
    return lambda usage: usage.model_copy(update=members)


def with_registers(registers: Mapping[str, Counts]) -> Change:
    return changing(registers=dict(registers))
