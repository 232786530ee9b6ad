"""The usage file: what one site used in one period, in a form that both sides can recompute.

Registers per model only rise and are never reset, as in a utility meter; deltas are what this period added; rows say
who added it; the tree's root commits to every single exchange; `previous` chains the files. Never a prompt, a
completion or a secret. `faults_within` and `faults_between` are the arithmetic that the site's sealing must satisfy
and the vendor's reconciliation checks: one definition, used by both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from licensing.algorithms import PublicKey
from licensing.document import Body, Claims, Count, Digest, Name, SiteId, Timestamp, Verified
from licensing.envelope import parse, verify
from licensing.licence import LicenceId
from licensing.merkle import root_of
from licensing.strict_json import canonical

Label = Name
SIGNED_COUNT = Annotated[int, Field(ge=-(2**62), le=2**62)]


class Counts(Claims):
    """What is counted. Reported tokens are what the upstream said; estimated ones stand apart, never mixed in."""

    requests: Count = 0
    errors: Count = 0
    interrupted: Count = 0
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    cached_tokens: Count = 0
    estimated_prompt_tokens: Count = 0
    estimated_completion_tokens: Count = 0

    def __add__(self, other: Counts) -> Counts:
        # Not validated: a sum beyond the limit of what a file may state must compare unequal to it, not raise.
        return Counts.model_construct(**{name: getattr(self, name) + getattr(other, name) for name in COUNT_FIELDS})


COUNT_FIELDS: tuple[str, ...] = tuple(Counts.model_fields)


class Latency(Claims):
    """Percentiles over the row's exchanges, in milliseconds."""

    p50: Count
    p95: Count
    p99: Count


class Row(Claims):
    """One combination of who, which key, which alias and which provider. `entries_root` is over its own exchanges."""

    org: Label
    team: Label
    key: Label
    model: Label
    provider: Label
    counts: Counts
    latency_ms: Latency
    entries_root: Digest

    def leaf(self) -> bytes:
        return canonical(self.model_dump(mode="json"))


class TreeHead(Claims):
    size: Count
    root: Digest


class Period(Claims):
    """Half-open `[start, end)` in UTC. It never crosses a midnight; a day closed early has two files."""

    start: Timestamp
    end: Timestamp

    @model_validator(mode="after")
    def _within_one_day(self) -> Self:
        if self.end <= self.start:
            raise ValueError("the period ends before it starts")
        midnight = self.start.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        if self.end > midnight:
            raise ValueError("the period crosses a UTC midnight")
        return self


class Admission(Claims):
    """A licence and config under which calls were admitted in this period, and how many."""

    licence_serial: Count
    config_serial: Count
    requests: Count


class ClockStep(Claims):
    at: Timestamp
    seconds: SIGNED_COUNT


class ClockFacts(Claims):
    floor: Timestamp
    steps: tuple[ClockStep, ...] = ()


class Run(Claims):
    """A start of the gateway in this period, and its end where one was recorded."""

    started: Timestamp
    stopped: Timestamp | None = None


class ReceiptNamed(Claims):
    seq: Count
    digest: Digest


class Predecessor(Claims):
    """Where a restored site's earlier epoch ended, as far as the restored state knows: its last file (0 and no head
    where it had sealed none), that file's digest and its registers. A new epoch's own registers begin at nothing."""

    epoch: int = Field(ge=1)
    seq: Count
    head: Digest | None = None
    registers: dict[Label, Counts] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _head_where_there_is_a_file(self) -> Self:
        if (self.seq == 0) != (self.head is None):
            raise ValueError("a predecessor has a head exactly when it has sealed a file")
        return self


class Anomaly(Claims):
    """Something the site itself noticed: a code, and one sentence."""

    code: Name
    detail: Annotated[str, Field(max_length=500)]


class Usage(Body):
    """One sealed period. `serial` equals `seq`, which never skips within an epoch."""

    KIND: ClassVar[str] = "usage"

    kind: Literal["usage"] = "usage"
    site: SiteId
    epoch: int = Field(ge=1)
    licence: LicenceId | None = None
    licence_serial: Count | None = None
    config_serial: Count | None = None
    seq: int = Field(ge=1)
    period: Period
    rows: tuple[Row, ...] = ()
    deltas: dict[Label, Counts] = Field(default_factory=dict)
    registers: dict[Label, Counts] = Field(default_factory=dict)
    tree: TreeHead
    previous: Digest | None = None
    predecessor: Predecessor | None = None
    admissions: tuple[Admission, ...] = ()
    clock: ClockFacts
    runs: tuple[Run, ...] = ()
    last_receipt: ReceiptNamed | None = None
    anomalies: tuple[Anomaly, ...] = ()

    @model_validator(mode="after")
    def _serial_is_seq(self) -> Self:
        if self.serial != self.seq:
            raise ValueError("serial and seq differ")
        if (self.seq == 1) != (self.previous is None):
            raise ValueError("exactly the first file of an epoch has no previous one")
        if self.predecessor is not None and (self.seq != 1 or self.predecessor.epoch >= self.epoch):
            raise ValueError("only the first file of an epoch names a predecessor, and one of an earlier epoch")
        return self


def tree_of(rows: Iterable[Row]) -> TreeHead:
    """The head over these rows: `size` counts exchanges, the root is over the rows in the order they stand."""
    kept = tuple(rows)
    return TreeHead.model_construct(
        size=sum(row.counts.requests for row in kept), root=root_of(row.leaf() for row in kept)
    )


def totals_by_model(rows: Iterable[Row]) -> dict[str, Counts]:
    totals: dict[str, Counts] = {}
    for row in rows:
        totals[row.model] = totals.get(row.model, Counts()) + row.counts
    return totals


def advance_registers(registers: dict[str, Counts], deltas: dict[str, Counts]) -> dict[str, Counts]:
    """Every register after adding the period's deltas. Models without traffic keep theirs."""
    names = sorted(registers.keys() | deltas.keys())
    return {name: registers.get(name, Counts()) + deltas.get(name, Counts()) for name in names}


def open_usage(data: bytes, site_key: PublicKey) -> Verified[Usage]:
    """The usage file in these bytes, signed by the site's key. Raises Malformed, WrongKind, SignatureRefused."""
    verified = verify(parse(data), payload_type=Usage.payload_type(), keys=[site_key], threshold=1)
    claims = Usage.from_verified(verified)
    return Verified(claims, verified.digest, verified.signers, "site", claims.epoch)


def faults_within(usage: Usage) -> Iterator[str]:
    """What does not add up inside one file, a sentence each."""
    if totals_by_model(usage.rows) != usage.deltas:
        yield "the rows do not add up to the deltas"
    if tree_of(usage.rows) != usage.tree:
        yield "the tree's root or size does not follow from the rows"
    if sum(each.requests for each in usage.admissions) != usage.tree.size:
        yield "the admissions do not add up to the number of exchanges"
    labels = [(row.org, row.team, row.key, row.model, row.provider) for row in usage.rows]
    if labels != sorted(set(labels)):
        yield "the rows are not unique and in order"


def faults_between(before: Usage | None, usage: Usage) -> Iterator[str]:
    """What does not follow from the file before it (None: from nothing), a sentence each."""
    start = before.registers if before else {}
    if advance_registers(start, usage.deltas) != usage.registers:
        fallen = [name for name, counts in start.items() if _fell(counts, usage.registers.get(name, Counts()))]
        if fallen:
            yield f"the register of {fallen[0]!r} fell"
        else:
            yield "the registers are not the previous ones plus the deltas"
    if before is not None and usage.period.start != before.period.end:
        yield "the period does not start where the previous one ended"


def _fell(before: Counts, after: Counts) -> bool:
    return any(getattr(after, name) < getattr(before, name) for name in COUNT_FIELDS)
