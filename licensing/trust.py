"""The trust document: which keys may sign what, and how a site moves from one version of it to the next.

Promise: no document carries its own trust. Version 1 is pinned when a site is set up; version N+1 is believed only when
the root thresholds of N *and* of N+1 have signed it and its serial is exactly N+1. (The Update Framework, root
rotation.)"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from licensing.algorithms import PublicKey
from licensing.document import Body, Claims, KeyBytes, Name, Verified
from licensing.envelope import Envelope, VerifiedBody, parse, verify
from licensing.errors import Malformed, SerialRefused, SignatureRefused
from licensing.shown import shown

ROLES = ("root", "licence", "config", "receipt", "time", "release")
RoleName = Literal["root", "licence", "config", "receipt", "time", "release"]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class KeyRecord(Claims):
    """A public key and the scheme it is used with; the scheme is fixed here and nowhere else."""

    algorithm: str
    public: KeyBytes

    @property
    def key(self) -> PublicKey:
        return PublicKey(self.algorithm, self.public)


class RoleRecord(Claims):
    """The keys of one role, how many must sign, and the key epoch that its ratchet counts in.

    `at_least` may demand a number of signatures per algorithm besides: `{"ed25519": 2, "sm2": 1}`.
    """

    keys: tuple[KeyId, ...] = Field(min_length=1, max_length=32)
    threshold: int = Field(ge=1, le=32)
    epoch: int = Field(ge=1)
    at_least: dict[str, Annotated[int, Field(ge=1, le=32)]] = Field(default_factory=dict)


class Revoked(Claims):
    keys: tuple[KeyId, ...] = ()
    licences: tuple[str, ...] = ()


class Trust(Body):
    """One version of the vendor's trust document; `serial` is the version."""

    KIND: ClassVar[str] = "trust"

    kind: Literal["trust"] = "trust"
    serial: int = Field(ge=1, le=2**62)
    vendor: Name
    keys: dict[KeyId, KeyRecord]
    roles: dict[RoleName, RoleRecord]
    revoked: Revoked = Revoked()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for keyid, record in self.keys.items():
            if record.key.keyid != keyid:
                raise ValueError(f"key {keyid[:12]} is listed under an id that is not its own")
        if "root" not in self.roles:
            raise ValueError("there is no root role")
        for name, role in self.roles.items():
            if len(set(role.keys)) != len(role.keys):
                raise ValueError(f"role {name} lists a key twice")
            if missing := [keyid for keyid in role.keys if keyid not in self.keys]:
                raise ValueError(f"role {name} names key {missing[0][:12]}, which is not in the document")
            usable = [key.algorithm for key in self.usable(name)]
            if role.threshold > len(usable):
                raise ValueError(f"role {name} can never reach its threshold of {role.threshold}")
            for algorithm, needed in role.at_least.items():
                if needed > usable.count(algorithm):
                    raise ValueError(f"role {name} can never have its {needed} signatures by {shown(algorithm, 40)}")
        return self

    def usable(self, role: RoleName) -> tuple[PublicKey, ...]:
        """The keys of a role that are not revoked."""
        return tuple(self.keys[keyid].key for keyid in self.roles[role].keys if keyid not in self.revoked.keys)

    def verify(self, envelope: Envelope, *, role: RoleName, payload_type: str) -> VerifiedBody:
        """The body, if this role's threshold signed it. Raises SignatureRefused, WrongKind."""
        if role not in self.roles:
            raise SignatureRefused(f"The pinned trust gives nobody the role {role!r}.")
        record = self.roles[role]
        return verify(
            envelope,
            payload_type=payload_type,
            keys=self.usable(role),
            threshold=record.threshold,
            at_least=record.at_least,
        )

    def key_epoch(self, role: RoleName) -> int:
        return self.roles[role].epoch


def pin(data: bytes) -> Verified[Trust]:
    """Version 1, as given at installation: it must be signed by its own root threshold.

    That proves the file is whole, not who made it: the person at the console vouches for that by the digest.
    Raises Malformed, WrongKind, SignatureRefused, SerialRefused.
    """
    trust, verified = _self_signed(parse(data))
    if trust.serial != 1:
        raise SerialRefused(
            f"Only version 1 of a trust document can be pinned; this is version {trust.serial}.",
            remedy="Ask the vendor for trust version 1 and, after it, each later version in order.",
        )
    return Verified(trust, verified.digest, verified.signers, "root", trust.key_epoch("root"))


def advance(current: Trust, data: bytes) -> Verified[Trust]:
    """The version after `current`. Raises Malformed, WrongKind, SignatureRefused, SerialRefused."""
    envelope = parse(data)
    current.verify(envelope, role="root", payload_type=Trust.payload_type())
    successor, verified = _self_signed(envelope)
    if successor.serial != current.serial + 1:
        raise SerialRefused(
            f"Trust version {current.serial} is in force; version {current.serial + 1} must come next, "
            f"and this is version {successor.serial}."
        )
    _check_epochs(current, successor)
    return Verified(successor, verified.digest, verified.signers, "root", successor.key_epoch("root"))


@lru_cache(maxsize=8)
def walk(documents: tuple[bytes, ...]) -> tuple[Trust, str]:
    """The trust at the end of a chain that starts with version 1, and the digest of that version 1.

    Pure, so its answer is kept: the same bytes give the same trust, and a byte changed is another question.
    Raises what `pin` and `advance` refuse; Malformed for no document at all.
    """
    if not documents:
        raise Malformed("There is no trust document.")
    pinned = pin(documents[0])
    current = pinned.claims
    for data in documents[1:]:
        current = advance(current, data).claims
    return current, pinned.digest


def _check_epochs(current: Trust, successor: Trust) -> None:
    """A key epoch never falls, and rises with every change of a role's keys: that is what starts its ratchet anew."""
    for name, before in current.roles.items():
        role = successor.roles.get(name)
        if role is None:
            raise SerialRefused(f"Role {name} has vanished; a role may change hands, but not be forgotten.")
        changed = set(successor.usable(name)) != set(current.usable(name))
        if role.epoch < before.epoch or (changed and role.epoch == before.epoch):
            raise SerialRefused(
                f"Role {name} has key epoch {role.epoch} after {before.epoch}; "
                "it must never fall, and rise when the role's usable keys change."
            )


def _self_signed(envelope: Envelope) -> tuple[Trust, VerifiedBody]:
    """Reads the claims first, because the keys that must have signed them are among them, then checks that they did."""
    claimed = Trust.from_verified(VerifiedBody(envelope.payload_type, envelope.body, ()))
    return claimed, claimed.verify(envelope, role="root", payload_type=Trust.payload_type())


def claimed_version(data: bytes) -> int:
    """The version that a trust document says it is: to put several in order, and for nothing else."""
    envelope = parse(data)
    return Trust.from_verified(VerifiedBody(envelope.payload_type, envelope.body, ())).serial
