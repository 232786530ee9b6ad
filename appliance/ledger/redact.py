"""What leaves of an exchange: its labels as the policy has them, and a salt that only this site can make.

A pseudonym is a keyed hash under a key of the contract (the licence's id): the same name has the same one for as long
as the licence is renewed, another under another contract, and nobody without the site's key can try names out. The salt
keeps an exchange that is not shown from being guessed by its hash in another one's proof.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from appliance.config.usage_part import LabelPolicy, label_policy_in
from licensing.strict_json import canonical

LABELS = ("org", "team", "key", "model", "provider")
DROPPED = "-"
PRIVATE = "private"
_PSEUDONYM_HEX = 24

Derive = Callable[[bytes], bytes]
"""Gives a key of its own for a purpose, out of the site's secrets."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which policy, and for which contract, a file was sealed; kept with it so that it can be made again."""

    labels: LabelPolicy
    contract: str

    def to_text(self) -> str:
        return canonical({"labels": asdict(self.labels), "contract": self.contract}).decode()

    @classmethod
    def from_members(cls, members: Mapping[str, Any]) -> Terms:
        return cls(label_policy_in(members.get("labels")), str(members.get("contract")))


class Redaction:
    """Applies terms to exchanges. Pure but for the memory of names it has seen."""

    def __init__(self, terms: Terms, derive: Derive) -> None:
        self._policy = terms.labels
        self._names = derive(b"usage labels 1\n" + terms.contract.encode())
        self._salts = derive(b"usage salts 1")
        self._pseudonym = lru_cache(maxsize=65_536)(self._hashed)

    def labels(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """LABELS of an exchange as they leave."""
        org, team, key, model, provider = labels
        return (
            self._name("org", org),
            self._name("team", team),
            self._name("key", key),
            model,
            PRIVATE if self._policy.provider == "private" else provider,
        )

    def salt(self, name: str) -> str:
        """The salt of the exchange with this id: 16 bytes in hexadecimal."""
        return hmac.digest(self._salts, name.encode(), "sha256")[:16].hex()

    def _name(self, kind: str, name: str) -> str:
        rule = getattr(self._policy, kind)
        if rule == "show":
            return name
        return DROPPED if rule == "drop" else self._pseudonym(kind, name)

    def _hashed(self, kind: str, name: str) -> str:
        digest = hmac.digest(self._names, f"{kind}\n{name}".encode(), "sha256")
        return f"{kind}-{digest.hex()[:_PSEUDONYM_HEX]}"
