"""Who may answer, as routing sees it: deployments with tags, weights and prices, and the policy of their alias."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from appliance.config.policy import Limits, Policy, Price


class Candidate(Protocol):
    """A deployment. `mark` is 64 bits of its id's digest: what it throws its lot with."""

    @property
    def id(self) -> str: ...
    @property
    def mark(self) -> int: ...
    @property
    def tags(self) -> frozenset[str]: ...
    @property
    def weight(self) -> float: ...
    @property
    def price(self) -> Price | None: ...
    @property
    def limits(self) -> Limits: ...
    def serves(self, endpoint: str) -> bool: ...


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True, slots=True)
class Table(Generic[C]):
    """An alias: its deployments in the order written, and how calls are routed among them. Made once a snapshot.

    `plain` tables (nothing to filter, order or draw) are answered without looking at the call.
    """

    alias: str
    policy: Policy
    candidates: tuple[C, ...]
    plain: bool = field(init=False)

    def __post_init__(self) -> None:
        policy = self.policy
        plain = not policy.filter and not policy.order and (policy.pick == "first" or len(self.candidates) == 1)
        object.__setattr__(self, "plain", plain)


Tables = Mapping[str, Table[C]]


def mark_of(text: bytes) -> int:
    """64 bits that anybody who knows the text arrives at (BLAKE2b, RFC 7693): the same in every worker and release."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
