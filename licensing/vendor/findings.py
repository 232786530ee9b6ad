"""What the vendor remembers of a site's usage, and what reconciliation finds in a file. Plain facts; no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from licensing.algorithms import PublicKey
from licensing.usage import Usage


class Verdict(StrEnum):
    """What became of a file. RECONCILING.md says of each what the desk does."""

    ACCEPTED = "accepted"
    NEW_EPOCH = "new_epoch"
    RESTORED = "restored"
    NEW_STATE = "new_state"
    ALREADY_ACCEPTED = "already_accepted"
    GAP = "gap"
    FORK = "fork"
    REGISTER_FELL = "register_fell"
    INCONSISTENT = "inconsistent"
    LICENCE_UNKNOWN = "licence_unknown"
    WRONG_SITE = "wrong_site"
    UNKNOWN_SITE = "unknown_site"
    UNKNOWN_KEY = "unknown_key"
    EDITED = "edited"
    MALFORMED = "malformed"
    UNREADABLE = "unreadable"


COUNTED = frozenset({Verdict.ACCEPTED, Verdict.NEW_EPOCH, Verdict.RESTORED, Verdict.NEW_STATE})
"""The verdicts under which a file is newly accepted and counts."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The files accepted under one enrolment: a site's key in an epoch. `superseded`: the site has since enrolled
    another key for the same epoch, so nothing new is accepted here."""

    enrolment: int
    site: str
    epoch: int
    key: PublicKey
    superseded: bool = False
    accepted: Mapping[int, str] = field(default_factory=dict)
    head: Usage | None = None

    @property
    def last(self) -> int:
        return self.head.seq if self.head else 0

    @property
    def head_digest(self) -> str | None:
        return self.accepted.get(self.last)

    def followed_by(self, usage: Usage, body_digest: str) -> Chain:
        return replace(self, accepted={**self.accepted, usage.seq: body_digest}, head=usage)

    def continuing(self, replaced: Chain) -> Chain:
        """This chain, still empty, as the continuation of one whose key it replaces in the same epoch."""
        return replace(self, accepted=replaced.accepted, head=replaced.head)


@dataclass(frozen=True, slots=True)
class SiteView:
    """What the vendor remembers of a site: its chains, the current one first, and (id, serial, epoch) of licences."""

    site: str
    chains: tuple[Chain, ...]
    licences: frozenset[tuple[str, int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """One file's verdict and the sentence that shows why. `site`, `seq` and `epoch` are what the file claims."""

    verdict: Verdict
    evidence: str
    site: str | None = None
    seq: int | None = None
    enrolment: int | None = None
    epoch: int | None = None

    @property
    def good(self) -> bool:
        return self.verdict in COUNTED or self.verdict is Verdict.ALREADY_ACCEPTED


@dataclass(frozen=True, slots=True)
class Taken:
    """A file newly accepted: to be kept for ever."""

    enrolment: int
    usage: Usage
    digest: str
    document: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file that a site's key really signed, and that contradicts something: nearly always one that was refused."""

    site: str
    epoch: int | None
    seq: int | None
    digest: str
    verdict: Verdict
    sentence: str
    document: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """Findings in the order in which the files were given; what to keep; and the chains that grew, as they now end."""

    findings: tuple[Finding, ...]
    taken: tuple[Taken, ...]
    evidence: tuple[Evidence, ...]
    grown: tuple[Chain, ...]

    @property
    def all_good(self) -> bool:
        return all(finding.good for finding in self.findings)
