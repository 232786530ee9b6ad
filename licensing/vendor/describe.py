"""What a person is about to sign, in words.

Promise: pure. Nothing is verified here: the facts are read out of the very bytes that will be signed, by the same
parsers that a site uses, and a body that those would not read is refused. Two versions of the trust are compared in
every member, so that nothing in a proposal can go unseen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from licensing.algorithms import digest
from licensing.config_header import header_of
from licensing.document import PAYLOAD_TYPES, Body, format_time
from licensing.envelope import Envelope, VerifiedBody, a_kind
from licensing.errors import Malformed, WrongKind
from licensing.licence import Licence
from licensing.receipt import Receipt
from licensing.release import Release
from licensing.shown import shown
from licensing.time_token import TimeToken
from licensing.trust import RoleName, RoleRecord, Trust
from media.strict_yaml import load

SIGNED_BY: Final[Mapping[str, RoleName]] = MappingProxyType(
    {
        "trust": "root",
        "licence": "licence",
        "config": "config",
        "receipt": "receipt",
        "time": "time",
        "release": "release",
    }
)
"""The kinds that people sign, and the role that signs each. What a site's own key signs is not among them."""

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Described:
    """A document in words. `trust` is the document itself where it is one."""

    kind: str
    role: RoleName
    serial: int
    digest: str
    facts: Facts
    trust: Trust | None = None


def describe(envelope: Envelope) -> Described:
    """The document in an envelope. Raises Malformed, WrongKind, YamlRefused."""
    kind = next((kind for kind in SIGNED_BY if PAYLOAD_TYPES[kind] == envelope.payload_type), None)
    if kind is None:
        raise WrongKind(
            f"The document is {a_kind(envelope.payload_type)}, which no person signs.",
            remedy=f"Give one of these: {', '.join(SIGNED_BY)}.",
        )
    body = VerifiedBody(envelope.payload_type, envelope.body, ())
    role, body_digest = SIGNED_BY[kind], digest(envelope.body)
    if kind == "config":
        head = _mapping(load(envelope.body).value)
        claims: Body = header_of(head)
        return Described(kind, role, claims.serial, body_digest, _scalars(head, but={"kind", "schema", "serial"}))
    claims = _KINDS[kind].from_verified(body)
    facts = (("issued_at", format_time(claims.issued_at)), *_FACTS[kind](claims))
    return Described(kind, role, claims.serial, body_digest, facts, trust=claims if isinstance(claims, Trust) else None)


def _of_licence(claims: Licence) -> Iterator[tuple[str, str]]:
    binding, caps = claims.binding, claims.caps
    yield "licence", claims.licence
    yield "customer", claims.customer
    yield "site", f"{binding.site}, key {binding.key[:12]}, epoch {binding.epoch}"
    if binding.hardware is not None:
        names = ", ".join(sorted(binding.hardware.facts))
        yield "hardware", f"{binding.hardware.need} of {len(binding.hardware.facts)} facts ({names})"
    yield "edition", ", ".join((claims.edition, *claims.add_ons))
    limits = (("rpm", caps.rpm), ("tpm", caps.tpm), ("seats", caps.seats))
    yield "caps", ", ".join(f"{name} {value or 'unlimited'}" for name, value in limits)
    yield "models", ", ".join(claims.models)
    yield (
        "runs",
        f"{format_time(claims.not_before)} to {format_time(claims.expires_at)}, grace {claims.grace_days} days",
    )
    yield "clock", f"{claims.clock_tolerance_seconds} seconds of tolerance"
    if claims.usage is not None:
        yield "usage", f"reported every {claims.usage.report_every_days} days, or {claims.usage.when_overdue}"
    if (delegated := claims.config_delegation) is not None:
        keys = ", ".join(record.key.keyid[:12] for record in delegated.keys)
        yield "config", f"by {delegated.threshold} of the officers' keys {keys} (epoch {delegated.epoch})"


def _of_receipt(claims: Receipt) -> Iterator[tuple[str, str]]:
    yield "site", f"{claims.site}, epoch {claims.epoch}"
    yield "accepted", f"up to file {claims.seq}, {format_time(claims.accepted_until)}"
    yield "head", claims.head


def _of_time(claims: TimeToken) -> Iterator[tuple[str, str]]:
    yield "site", f"{claims.site}, epoch {claims.epoch}"
    yield "answers", claims.challenge


def _of_release(claims: Release) -> Iterator[tuple[str, str]]:
    yield "version", f"{claims.version}, built {format_time(claims.built_at)}"
    yield "upgrades", f"from {claims.upgrades_from} on"
    yield "schemas", f"state {claims.schemas.state}, documents {claims.schemas.documents}"
    for each in claims.artefacts:
        yield f"for {each.arch}", f"{each.file}, {each.size} bytes, {each.sha256}"


def _of_trust(claims: Trust) -> Iterator[tuple[str, str]]:
    yield "vendor", claims.vendor
    for name, role in claims.roles.items():
        yield f"role {name}", says(role, claims)
    if claims.revoked.keys:
        yield "revoked keys", ", ".join(keyid[:12] for keyid in claims.revoked.keys)
    if claims.revoked.licences:
        yield "revoked licences", ", ".join(shown(each) for each in claims.revoked.licences)


_KINDS: Final[Mapping[str, type[Body]]] = MappingProxyType(
    {"licence": Licence, "receipt": Receipt, "time": TimeToken, "trust": Trust, "release": Release}
)
_FACTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "licence": _of_licence,
        "receipt": _of_receipt,
        "time": _of_time,
        "trust": _of_trust,
        "release": _of_release,
    }
)


def says(role: RoleRecord, trust: Trust) -> str:
    """A role in one line: its threshold, epoch and keys."""
    keys = ", ".join(f"{keyid[:12]} ({trust.keys[keyid].algorithm})" for keyid in role.keys)
    demands = "".join(f", at least {needed} {algorithm}" for algorithm, needed in sorted(role.at_least.items()))
    return f"{role.threshold} of {len(role.keys)}{demands}, epoch {role.epoch}: {keys}"


def difference(before: Trust, after: Trust) -> tuple[str, ...]:
    """All that differs between two versions of the trust, a sentence each."""
    return tuple(_differences(before, after))


def _differences(before: Trust, after: Trust) -> Iterator[str]:
    if before.vendor != after.vendor:
        yield f"The vendor's name changes from {before.vendor!r} to {after.vendor!r}."
    for name in sorted(before.roles.keys() | after.roles.keys()):
        old, new = before.roles.get(name), after.roles.get(name)
        if old is None and new is not None:
            yield f"Role {name} is new: {says(new, after)}."
        elif old is not None and new is None:
            yield f"Role {name} is gone: nobody may sign for it any more."
        elif old is not None and new is not None:
            yield from _of_role(name, old, new, after)
    listed = {keyid for trust in (before, after) for role in trust.roles.values() for keyid in role.keys}
    for keyid in sorted((before.keys.keys() ^ after.keys.keys()) - listed):
        yield f"Key {keyid[:12]}, which has no role, is {'listed' if keyid in after.keys else 'no longer listed'}."
    yield from _revocations("Key", before.revoked.keys, after.revoked.keys)
    yield from _revocations("Licence", before.revoked.licences, after.revoked.licences)


def _of_role(name: str, old: RoleRecord, new: RoleRecord, after: Trust) -> Iterator[str]:
    for keyid in new.keys:
        if keyid not in old.keys:
            yield f"Role {name}: key {keyid[:12]} ({after.keys[keyid].algorithm}) joins."
    for keyid in old.keys:
        if keyid not in new.keys:
            yield f"Role {name}: key {keyid[:12]} leaves."
    if old.threshold != new.threshold:
        yield f"Role {name}: {new.threshold} must sign instead of {old.threshold}."
    for algorithm in sorted(old.at_least.keys() | new.at_least.keys()):
        was, now = old.at_least.get(algorithm, 0), new.at_least.get(algorithm, 0)
        if was != now:
            yield f"Role {name}: at least {now} of them by {shown(algorithm)} instead of {was}."
    if old.epoch != new.epoch:
        yield f"Role {name}: key epoch {new.epoch} after {old.epoch}, so that serials are counted anew."


def _revocations(what: str, old: Collection[str], new: Collection[str]) -> Iterator[str]:
    for each in new:
        if each not in old:
            yield f"{what} {shown(each[:64])} is revoked."
    for each in old:
        if each not in new:
            yield f"{what} {shown(each[:64])} is NO LONGER revoked."


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed("The config is not a mapping of names to values.")
    return value


def _scalars(members: Mapping[str, Any], *, but: Collection[str]) -> Facts:
    """Members that are one value, and how much there is in the others."""
    return tuple(
        (shown(str(name)), f"{len(value)} entries" if isinstance(value, list | dict) else shown(str(value)))
        for name, value in members.items()
        if name not in but
    )
