"""Keys and signed documents for tests: deterministic, small, and changed one member at a time."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licensing.algorithms import ED25519, PublicKey
from licensing.document import PAYLOAD_TYPES
from licensing.envelope import Envelope, Signature, Signer, sign, to_clear, to_json
from licensing.strict_json import canonical
from licensing.trust import Trust

SITE = "site-0001"
ISSUED = "2026-03-01T08:00:00Z"
ROLE_KEYS: Mapping[str, tuple[str, ...]] = {
    "root": ("root-1", "root-2", "root-3"),
    "licence": ("licence-1", "licence-2"),
    "config": ("officer-1", "officer-2", "officer-3"),
    "receipt": ("receipt-1",),
    "time": ("time-1",),
    "release": ("release-1", "release-2"),
}
THRESHOLDS: Mapping[str, int] = {"root": 2, "licence": 1, "config": 2, "receipt": 1, "time": 1, "release": 2}


class Key:
    """A signer in memory."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(ED25519, self._private.public_key().public_bytes_raw())

    @property
    def keyid(self) -> str:
        return self.public_key.keyid

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def key(name: str) -> Key:
    """The key of that name: the same in every run."""
    return Key(hashlib.sha256(name.encode()).digest())


def keys(*names: str) -> tuple[Key, ...]:
    return tuple(key(name) for name in names)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def at(text: str) -> datetime:
    """A moment, as `2026-03-01` or `2026-03-01 08:00:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def key_record(signer: Key) -> dict[str, Any]:
    return {"algorithm": ED25519, "public": base64_of(signer.public_key.public)}


def role_record(names: Sequence[str], threshold: int, epoch: int = 1) -> dict[str, Any]:
    return {"keys": [key(name).keyid for name in names], "threshold": threshold, "epoch": epoch}


def trust_members(
    *,
    serial: int = 1,
    role_keys: Mapping[str, Sequence[str]] = ROLE_KEYS,
    thresholds: Mapping[str, int] = THRESHOLDS,
    epochs: Mapping[str, int] | None = None,
    revoked_keys: Sequence[str] = (),
    revoked_licences: Sequence[str] = (),
) -> dict[str, Any]:
    """A whole trust body, with everything but what is named as usual."""
    names = [name for members in role_keys.values() for name in members]
    return {
        "kind": "trust",
        "schema": 1,
        "serial": serial,
        "issued_at": ISSUED,
        "vendor": "AO",
        "keys": {key(name).keyid: key_record(key(name)) for name in names},
        "roles": {
            role: role_record(members, thresholds[role], (epochs or {}).get(role, 1))
            for role, members in role_keys.items()
        },
        "revoked": {"keys": [key(name).keyid for name in revoked_keys], "licences": list(revoked_licences)},
    }


def trust(**changes: Any) -> Trust:
    """A believed trust document."""
    return Trust.from_mapping(trust_members(**changes))


def licence_members(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "licence",
        "schema": 1,
        "serial": 7,
        "issued_at": ISSUED,
        "licence": "L-2026-0007",
        "customer": "Harbour Hospital",
        "binding": {"site": SITE, "key": key("site").keyid, "epoch": 1},
        "edition": "team",
        "add_ons": [],
        "caps": {"rpm": 3000},
        "models": ["*"],
        "not_before": "2026-03-01T00:00:00Z",
        "expires_at": "2027-03-01T00:00:00Z",
        "grace_days": 14,
        "clock_tolerance_seconds": 300,
    } | changes


def receipt_members(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "receipt",
        "schema": 1,
        "serial": 3,
        "issued_at": ISSUED,
        "site": SITE,
        "epoch": 1,
        "seq": 9,
        "head": "sha256:" + "ab" * 32,
        "accepted_until": "2026-02-28T00:00:00Z",
    } | changes


def release_members(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "release",
        "schema": 1,
        "serial": 2001,
        "issued_at": ISSUED,
        "version": "0.2.1",
        "built_at": ISSUED,
        "upgrades_from": "0.1.0",
        "schemas": {"state": 7, "documents": 1},
        "artefacts": [
            {"file": f"ao-appliance-0.2.1-linux-{arch}.run", "arch": arch, "size": 10, "sha256": "sha256:" + "ab" * 32}
            for arch in ("x86_64", "aarch64")
        ],
    } | changes


def site_request_members(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "site-request",
        "schema": 1,
        "serial": 1,
        "issued_at": ISSUED,
        "site": SITE,
        "name": "Harbour Hospital, basement",
        "epoch": 1,
        "key": key_record(key("site")),
        "sealing_key": base64_of(bytes(range(32))),
        "product_version": "0.1.0",
    } | changes


def usage_members(**changes: Any) -> dict[str, Any]:
    """The first day of a site on which nothing happened."""
    return {
        "kind": "usage",
        "schema": 1,
        "serial": 1,
        "issued_at": "2026-03-02T00:00:05Z",
        "site": SITE,
        "epoch": 1,
        "seq": 1,
        "period": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"},
        "tree": {"size": 0, "root": "sha256:" + hashlib.sha256(b"").hexdigest()},
        "clock": {"floor": "2026-03-02T00:00:00Z"},
    } | changes


CONFIG_TEXT = (
    b"# The config of one site.\n"
    b"kind: config\n"
    b"schema: 1\n"
    b"serial: 4\n"
    b"issued_at: 2026-03-01T08:00:00Z\n"
    b"site: site-0001\n"
    b"models:\n"
    b"  - name: \xe7\x81\xaf\xe5\xa1\x94\n"
)


def envelope_of(kind: str, members: Mapping[str, Any] | bytes, *signers: Signer) -> Envelope:
    """These claims (or exactly these bytes) signed as that kind, whatever they say."""
    body = members if isinstance(members, bytes) else canonical(members)
    return sign(PAYLOAD_TYPES[kind], body, signers)


def signed(kind: str, members: Mapping[str, Any] | bytes, *signers: Signer) -> bytes:
    """The same in the JSON form, as it lies on a medium."""
    return to_json(envelope_of(kind, members, *signers))


def clear_signed(body: bytes, *signers: Signer, payload_type: str = PAYLOAD_TYPES["config"]) -> bytes:
    return to_clear(sign(payload_type, body, signers))


def with_signatures(envelope: Envelope, *signatures: Signature) -> Envelope:
    return Envelope(envelope.payload_type, envelope.body, signatures)
