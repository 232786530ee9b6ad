"""A site as the scenario cases need it: seals one period after another, honestly, or as a case asks it to lie.

Pure: the same calls give the same bytes, on every machine and in every year. Its keys are made from their names, so
they are nobody's secret and must never be anybody's key. Everything counted has an entry behind it, so that the trees
are real ones and proofs can be made.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from licensing.algorithms import ED25519, digest
from licensing.envelope import sign, to_json
from licensing.licence import Licence
from licensing.merkle import root_of
from licensing.site_request import SiteRequest
from licensing.strict_json import canonical
from licensing.trust import KeyRecord
from licensing.usage import (
    Admission,
    Anomaly,
    ClockFacts,
    ClockStep,
    Counts,
    Latency,
    Period,
    Predecessor,
    Row,
    Run,
    Usage,
    advance_registers,
    totals_by_model,
    tree_of,
)
from licensing.vendor.keyring import VendorKey

DAY: Final = timedelta(days=1)
Mix = Mapping[tuple[str, str], int]
"""How many calls each team made of each model."""
WORKDAY: Final[Mix] = {("research", "acme-large"): 2, ("support", "acme-small"): 3}
NOTHING: Final[Mix] = {}


def case_key(name: str) -> VendorKey:
    """The Ed25519 key of this name: the same for everybody."""
    return VendorKey(None, name, hashlib.sha256(f"ao usage case, not a secret: {name}".encode()).digest())


@dataclass
class CaseSite:
    """Where the site stands: what it sealed last, and from when on it counts. `licence` admits its calls."""

    site: str
    epoch: int
    key: VendorKey
    since: datetime
    licence: Licence | None = None
    seq: int = 0
    previous: str | None = None
    predecessor: Predecessor | None = None
    registers: dict[str, Counts] = field(default_factory=dict)
    entries: dict[str, list[list[bytes]]] = field(default_factory=dict)

    def request(self, at: datetime) -> bytes:
        """The site request with which this epoch and key enrol."""
        claims = SiteRequest(
            schema_version=1,
            serial=1,
            issued_at=at,
            site=self.site,
            name=f"Case {self.site}",
            epoch=self.epoch,
            key=KeyRecord(algorithm=ED25519, public=self.key.public_key.public),
            sealing_key=bytes(32),
            product_version="0.1.0",
        )
        return to_json(sign(SiteRequest.payload_type(), claims.to_bytes(), [self.key]))

    def copied(self) -> CaseSite:
        """The same state a second time."""
        return copy.deepcopy(self)

    def restored(self, epoch: int, since: datetime) -> CaseSite:
        """This state brought back from a backup: a new epoch, with a key of its own, that names its predecessor."""
        return CaseSite(
            site=self.site,
            epoch=epoch,
            key=case_key(f"{self.site} {epoch}"),
            since=since,
            predecessor=Predecessor(epoch=self.epoch, seq=self.seq, head=self.previous, registers=dict(self.registers)),
        )

    def day(self, mix: Mix = WORKDAY, change: Callable[[Usage], Usage] = lambda usage: usage, **facts: Any) -> bytes:
        """The file of the rest of the day that is open. `change` is what a site does that lies; `facts` are said of
        the period besides (`steps`, `runs`, `anomalies`, `sealed_at`)."""
        midnight = self.since.replace(hour=0, minute=0, second=0) + DAY
        return self.until(midnight, mix, change, **facts)

    def until(
        self,
        end: datetime,
        mix: Mix = WORKDAY,
        change: Callable[[Usage], Usage] = lambda usage: usage,
        *,
        sealed_at: datetime | None = None,
        steps: tuple[ClockStep, ...] = (),
        runs: tuple[Run, ...] = (),
        anomalies: tuple[Anomaly, ...] = (),
    ) -> bytes:
        """The file of the period from where the last one ended until `end`."""
        at = sealed_at or end + timedelta(minutes=5)
        leaves = [self._leaves(team, model, count) for (team, model), count in sorted(mix.items())]
        rows = tuple(
            _row(team, model, each) for ((team, model), _), each in zip(sorted(mix.items()), leaves, strict=True)
        )
        deltas, tree = totals_by_model(rows), tree_of(rows)
        serial = self.licence.serial if self.licence else 0
        usage = change(
            Usage(
                schema_version=1,
                serial=self.seq + 1,
                issued_at=at,
                site=self.site,
                epoch=self.epoch,
                licence=self.licence.licence if self.licence else None,
                licence_serial=self.licence.serial if self.licence else None,
                config_serial=1,
                seq=self.seq + 1,
                period=Period(start=self.since, end=end),
                rows=rows,
                deltas=deltas,
                registers=advance_registers(self.registers, deltas),
                tree=tree,
                previous=self.previous,
                predecessor=self.predecessor if self.seq == 0 else None,
                admissions=(Admission(licence_serial=serial, config_serial=1, requests=tree.size),) if rows else (),
                clock=ClockFacts(floor=at, steps=steps),
                runs=runs or (Run(started=self.since),),
                anomalies=anomalies,
            )
        )
        self.seq, self.since, self.registers = usage.seq, usage.period.end, dict(usage.registers)
        self.previous = digest(usage.to_bytes())
        self.entries[self.previous] = leaves
        return signed_by(self.key, usage)

    def days(self, count: int) -> list[bytes]:
        return [self.day() for _ in range(count)]

    def _leaves(self, team: str, model: str, count: int) -> list[bytes]:
        """The exchanges behind one row, as the ledger would spell them."""
        return [
            canonical(
                {
                    "id": hashlib.sha256(f"{self.site}/{self.epoch}/{self.seq}/{team}/{number}".encode()).hexdigest()[
                        :32
                    ],
                    "ended_at": int(self.since.timestamp() * 1000) + number,
                    "team": team,
                    "model": model,
                    "prompt_tokens": 100,
                    "completion_tokens": 50,
                    "outcome": "ok",
                }
            )
            for number in range(count)
        ]


def _row(team: str, model: str, leaves: list[bytes]) -> Row:
    count = len(leaves)
    return Row(
        org="case",
        team=team,
        key=f"{team}-key",
        model=model,
        provider="local",
        counts=Counts(requests=count, prompt_tokens=100 * count, completion_tokens=50 * count),
        latency_ms=Latency(p50=100, p95=200, p99=300),
        entries_root=root_of(leaves),
    )


def signed_by(key: VendorKey, usage: Usage) -> bytes:
    return to_json(sign(Usage.payload_type(), usage.to_bytes(), [key]))


def changing(**members: Any) -> Callable[[Usage], Usage]:
    """A lie: members replaced without asking whether they still fit."""
    return lambda usage: usage.model_copy(update=members)


def renewed(site: CaseSite, key: VendorKey) -> CaseSite:
    """The same state and epoch under another key."""
    return replace(site.copied(), key=key)
