"""A checker for everyone: who signed a document, under which role, what it says, and why it would be refused here.

Needs nothing but the file and a trust document. Where a site's state is at hand, what the site itself would say is
added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from appliance.access.authorise import Permission
from appliance.config.open import DELEGATED_ROLE, verify_config
from appliance.config.secrets import SecretLookup
from appliance.errors import LicenceRefused
from appliance.operations.config import examine_bytes
from appliance.operations.licence import judge_licence
from appliance.state.database import newest_schema
from appliance.state.site import Site
from licensing.algorithms import PublicKey
from licensing.document import PAYLOAD_TYPES, Body
from licensing.envelope import Envelope, VerifiedBody, a_kind, pae, parse, verify
from licensing.errors import Refusal, SignatureRefused, WrongKind
from licensing.licence import Delegation, Licence, open_licence
from licensing.receipt import Receipt, open_receipt
from licensing.release import Release, open_release
from licensing.site_request import SiteRequest
from licensing.time_token import TimeToken, open_time_token
from licensing.trust import RoleName, Trust, advance, pin
from licensing.usage import Usage, faults_within
from licensing.version import __version__
from media.strict_yaml import load

KINDS: Mapping[str, str] = {payload_type: kind for kind, payload_type in PAYLOAD_TYPES.items()}
_ROLE_OF_KIND: Mapping[str, RoleName] = {
    "trust": "root",
    "licence": "licence",
    "config": "config",
    "receipt": "receipt",
    "time": "time",
    "release": "release",
}


@dataclass(frozen=True, slots=True)
class Signatory:
    """One signature: whose key made it, and the roles that the trust gives that key. `keyid` None: nobody's we know.

    `claims` is the key that the signature says it is of, in the unsigned part of the file; `claimed_roles` what that
    key may sign, if it is known here. That key did not make it unless it is `keyid`.
    """

    keyid: str | None
    roles: tuple[str, ...]
    claims: str = ""
    claimed_roles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """`needed` of the role's keys must have signed. `refusal` is why the document would not be believed, or None."""

    kind: str
    role: str
    needed: int
    signatories: tuple[Signatory, ...]
    says: Mapping[str, Any] | None
    refusal: Refusal | None
    refused_here: Refusal | None = None


def examine(data: bytes, *, trust: Trust, site_key: PublicKey | None, delegation: Delegation | None) -> Examined:
    """What can be told from the file and a trust document. `site_key` is what usage files are held against.

    Raises Malformed, WrongKind where the file is no envelope of ours at all.
    """
    envelope = parse(data)
    kind = KINDS.get(envelope.payload_type)
    if kind is None:
        raise WrongKind(f"The document is {a_kind(envelope.payload_type)}, which is not one of this product's.")
    role: RoleName | None = _ROLE_OF_KIND.get(kind)
    needed = trust.roles[role].threshold if role in trust.roles else 1
    if kind == "config" and delegation is not None:
        needed = delegation.threshold
    says, refusal = _says(kind, envelope), None
    try:
        _check(kind, data, envelope, trust, site_key, delegation)
    except Refusal as met:
        refusal = met
    shown_role = DELEGATED_ROLE if kind == "config" and delegation is not None else role or "site"
    officers = [record.key for record in delegation.keys] if kind == "config" and delegation is not None else []
    keys = [*_known_keys(trust), *officers, *([site_key] if site_key else []), *_own_key(kind, says)]
    return Examined(kind, shown_role, needed, _signatories(envelope, trust, keys, officers), says, refusal)


def examine_here(found: Examined, data: bytes, site: Site, secrets: SecretLookup, now: datetime) -> Examined:
    """Adds what this site would say of a document that is genuine."""
    site.require(Permission.TRUST_READ)
    if found.refusal is not None:
        return found
    try:
        _check_here(found.kind, data, site, secrets, now)
    except Refusal as met:
        return replace(found, refused_here=met)
    return found


def _check(
    kind: str,
    data: bytes,
    envelope: Envelope,
    trust: Trust,
    site_key: PublicKey | None,
    delegation: Delegation | None,
) -> None:
    payload_type = PAYLOAD_TYPES[kind]
    if kind == "trust":
        if Trust.from_verified(VerifiedBody(payload_type, envelope.body, ())) != trust:
            advance(trust, data)
        elif trust.serial == 1:
            pin(data)
        else:
            trust.verify(envelope, role="root", payload_type=payload_type)
    elif kind == "licence":
        open_licence(data, trust)
    elif kind == "config":
        load(verify_config(envelope, trust, delegation, arriving=True)[0].body)
    elif kind == "site-request":
        claimed = SiteRequest.from_verified(VerifiedBody(payload_type, envelope.body, ()))
        verify(envelope, payload_type=payload_type, keys=[claimed.key.key], threshold=1)
    elif kind == "usage":
        if site_key is None:
            raise SignatureRefused(
                "A usage file is signed by a site's own key, and none was given.",
                remedy="Name the site's request: --request site-request.signed.json",
            )
        usage = Usage.from_verified(verify(envelope, payload_type=payload_type, keys=[site_key], threshold=1))
        for fault in faults_within(usage):
            raise SignatureRefused(f"The file is signed, but does not add up: {fault}.")
    elif kind == "release":
        open_release(data, trust)
    else:
        trust.verify(envelope, role=_ROLE_OF_KIND[kind], payload_type=payload_type)


def _check_here(kind: str, data: bytes, site: Site, secrets: SecretLookup, now: datetime) -> None:
    trust = site.trust()
    if kind == "licence":
        judged, _ = judge_licence(site, data, now)
        if not judged.standing.terms.serves:
            raise LicenceRefused(judged.standing)
    elif kind == "config":
        examine_bytes(site, data, secrets, now)
    elif kind == "receipt":
        open_receipt(data, trust, site=site.id, epoch=site.epoch)
    elif kind == "release":
        release = open_release(data, trust).claims
        release.require_follows(__version__, state=newest_schema())
    elif kind == "time":
        open_time_token(data, trust, site=site.id, epoch=site.epoch, challenge=site.challenge)


_BODIES: Mapping[str, type[Body]] = {
    "trust": Trust,
    "licence": Licence,
    "receipt": Receipt,
    "time": TimeToken,
    "usage": Usage,
    "release": Release,
    "site-request": SiteRequest,
}


def _says(kind: str, envelope: Envelope) -> Mapping[str, Any] | None:
    """The claims, whether or not they may be believed; None where they cannot even be read."""
    read: Callable[[], Any]
    if kind in _BODIES:
        body = _BODIES[kind]

        def read() -> Any:
            claims = body.from_verified(VerifiedBody(envelope.payload_type, envelope.body, ()))
            return claims.model_dump(mode="json", by_alias=True, exclude_none=True)
    else:

        def read() -> Any:
            return load(envelope.body).value

    try:
        said = read()
    except Refusal:
        return None
    return said if isinstance(said, dict) else None


def _known_keys(trust: Trust) -> list[PublicKey]:
    return [record.key for record in trust.keys.values()]


def _own_key(kind: str, says: Mapping[str, Any] | None) -> list[PublicKey]:
    if kind != "site-request" or says is None:
        return []
    try:
        return [SiteRequest.from_mapping(dict(says)).key.key]
    except Refusal:
        return []


def _signatories(
    envelope: Envelope, trust: Trust, keys: list[PublicKey], officers: list[PublicKey]
) -> tuple[Signatory, ...]:
    message = pae(envelope.payload_type, envelope.body)
    known = {key.keyid for key in keys}

    def roles_of(keyid: str) -> tuple[str, ...]:
        held = tuple(name for name, role in trust.roles.items() if keyid in role.keys)
        return (*held, DELEGATED_ROLE) if any(keyid == each.keyid for each in officers) else held

    found = []
    for signature in envelope.signatures:
        key = next((each for each in keys if each.verifies(signature.sig, message)), None)
        claimed = roles_of(signature.keyid) if signature.keyid in known else None
        found.append(
            Signatory(key.keyid if key else None, roles_of(key.keyid) if key else (), signature.keyid, claimed)
        )
    return tuple(found)
