"""Documents that several people sign one after the other: who has signed, who is missing, and one signature more.

Promise: pure. A signature counts when a key that the trust names for the role verifies it; key ids in the envelope
count for nothing. Adding a signature keeps every other one as it is, and nobody's key signs twice. What is counted here
is for people to see: whether a document is believed is decided by `Trust.verify` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TypeVar

from licensing.algorithms import PublicKey, digest
from licensing.envelope import Envelope, Signer, parse, sign, signed_by, to_clear, to_json, with_signature
from licensing.errors import SignatureRefused
from licensing.licence import Licence
from licensing.shown import shown
from licensing.trust import RoleName, Trust
from licensing.vendor.errors import KeyUnfit

UNFINISHED: Final = ".unfinished"

AnyPath = TypeVar("AnyPath", bound=PurePath)


@dataclass(frozen=True, slots=True)
class Quorum:
    """How far the signatures on a document go towards what a version of the trust asks of a role, or what `licence`
    asks of the officers whom it hands configs to.

    `missing_of` counts, by algorithm, what the role demands of each besides its threshold.
    """

    role: RoleName
    version: int
    threshold: int
    signed: tuple[str, ...]
    waiting: tuple[str, ...]
    missing_of: Mapping[str, int]
    licence: str | None = None

    @property
    def missing(self) -> int:
        """How many signatures more, at the least."""
        return max(self.threshold - len(self.signed), sum(self.missing_of.values()), 0)

    @property
    def complete(self) -> bool:
        return self.missing == 0

    @property
    def asked_by(self) -> str:
        """Whose count this is: "trust version 2", or "licence L-7" where that delegates configs."""
        return f"licence {shown(self.licence)}" if self.licence is not None else f"trust version {self.version}"


@dataclass(frozen=True, slots=True)
class Countersigned:
    """A document with the signatures of those who were here, complete or not; `digest` is of its body."""

    document: bytes
    digest: str
    quorum: Quorum


def usable(trust: Trust, role: RoleName) -> tuple[PublicKey, ...]:
    """The keys that may sign for a role. Raises SignatureRefused where nobody may."""
    if role not in trust.roles:
        raise SignatureRefused(
            f"Trust version {trust.serial} gives nobody the role {role!r}.",
            remedy=f"Give somebody the role: ao-vendor trust rotate --new-key {role}.",
        )
    return trust.usable(role)


def count(envelope: Envelope, trust: Trust, role: RoleName) -> Quorum:
    """How far the document has come under this version of the trust."""
    keys = usable(trust, role)
    record = trust.roles[role]
    signed = [key for key in keys if signed_by(envelope, key)]
    owed = {
        algorithm: needed - sum(key.algorithm == algorithm for key in signed)
        for algorithm, needed in record.at_least.items()
    }
    return Quorum(
        role,
        trust.serial,
        record.threshold,
        tuple(key.keyid for key in signed),
        tuple(key.keyid for key in keys if key not in signed),
        {algorithm: still for algorithm, still in owed.items() if still > 0},
    )


def count_delegated(envelope: Envelope, licence: Licence, trust: Trust) -> Quorum:
    """How far a config has come with the customer's officers, as a site with this licence counts them.

    Raises SignatureRefused for a licence that delegates nothing.
    """
    delegation = licence.config_delegation
    if delegation is None:
        raise SignatureRefused(
            f"Licence {licence.licence} hands configs to nobody; the vendor's role config signs them.",
            remedy="Leave --licence out.",
        )
    keys = [record.key for record in delegation.keys if record.key.keyid not in trust.revoked.keys]
    signed = tuple(key.keyid for key in keys if signed_by(envelope, key))
    waiting = tuple(key.keyid for key in keys if key.keyid not in signed)
    return Quorum("config", trust.serial, delegation.threshold, signed, waiting, {}, licence.licence)


def sign_together(
    payload_type: str, body: bytes, signers: Sequence[Signer], trust: Trust, role: RoleName, *, clear: bool = False
) -> Countersigned:
    """The document as those who are here sign it. One that is complete opens under the trust, or does not leave."""
    document = (to_clear if clear else to_json)(sign(payload_type, body, signers))
    envelope = parse(document)
    quorum = count(envelope, trust, role)
    if quorum.complete:
        trust.verify(envelope, role=role, payload_type=payload_type)
    return Countersigned(document, digest(body), quorum)


def add_signature(envelope: Envelope, signer: Signer) -> Envelope:
    """The envelope with one signature more. Raises KeyUnfit for a key that has signed it already."""
    try:
        return with_signature(envelope, signer)
    except SignatureRefused as error:
        raise KeyUnfit(error.message, remedy=error.remedy) from error


def can_be_handed_out_again(document: bytes, trust: Trust, role: RoleName, signers: Iterable[Signer]) -> bool:
    """Whether a document that was signed before still says all that those who are here could make it say: not so when
    their keys were replaced since."""
    quorum = count(parse(document), trust, role)
    return quorum.complete or {each.public_key.keyid for each in signers} <= set(quorum.signed)


def unfinished_name(path: AnyPath) -> AnyPath:
    """`licence.json` as `licence.unfinished.json`: what a file is called until all have signed."""
    return path.with_name(f"{path.stem}{UNFINISHED}{path.suffix}")


def finished_name(path: AnyPath) -> AnyPath:
    """The name without that mark; the same where there is none."""
    if path.suffix == UNFINISHED:
        return path.with_suffix("")
    if not path.stem.endswith(UNFINISHED):
        return path
    return path.with_name(f"{path.stem.removesuffix(UNFINISHED)}{path.suffix}")


def sentence(quorums: Collection[Quorum]) -> str:
    """What is missing, for a person; nothing when all is there."""
    return "; ".join(_still(each) for each in quorums if not each.complete)


def progress(quorum: Quorum) -> str:
    """How many have signed of how many, for a person; more than are needed are told apart."""
    signed, needed = len(quorum.signed), quorum.threshold
    if signed <= needed:
        return f"{signed} of {needed} have signed"
    return f"{needed} of {needed} have signed, and {signed - needed} besides"


def _still(quorum: Quorum) -> str:
    of = ", ".join(f"{still} by {algorithm}" for algorithm, still in sorted(quorum.missing_of.items()))
    among = f", among them {of}" if of else ""
    return f"{quorum.missing} more of role {quorum.role} as {quorum.asked_by} has it ({progress(quorum)}{among})"
