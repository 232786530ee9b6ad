"""DSSE envelopes: what is signed, by whom, and whether a threshold of keys really signed it.

Promise: `verify` returns the exact bytes that at least `threshold` distinct keys signed under exactly this payload
type, or raises. It decides by keys alone: an envelope's `keyid` may choose which key is tried first and nothing else.
(DSSE v1 protocol. Two forms of one thing: JSON, and clear-signed text whose last three comment lines carry the
signatures. Both are over the same pre-authentication encoding, so one converts to the other without signing again.)
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from licensing.algorithms import PublicKey, digest
from licensing.errors import Malformed, SignatureRefused, WrongKind
from licensing.shown import shown
from licensing.strict_json import load_object

BEGIN = b"# -----BEGIN AO SIGNATURE-----\n"
END = b"# -----END AO SIGNATURE-----\n"
_OUR_TYPE = re.compile(r"application/vnd\.ao\.([a-z-]{1,40})\.v1\+(?:json|yaml)")
_CALLED = {"trust": "a trust document", "usage": "a usage file", "time": "a time token"}
NO_MINIMA: Mapping[str, int] = MappingProxyType({})
SIGNATURES_LIMIT = 32
"""More signatures than any threshold needs would only make verification slow."""


@dataclass(frozen=True, slots=True)
class Signature:
    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """Bytes with claims about who signed them. Nothing in here may be believed before `verify`."""

    payload_type: str
    body: bytes
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class VerifiedBody:
    """Bytes that a threshold of keys has signed under `payload_type`; `signers` are the key ids that verified."""

    payload_type: str
    body: bytes
    signers: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of the body: an envelope's unsigned parts cannot change it."""
        return digest(self.body)


class Signer(Protocol):
    """Something that can sign: a key in a file, in memory, or in a token."""

    @property
    def public_key(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes: ...


def pae(payload_type: str, body: bytes) -> bytes:
    """The pre-authentication encoding. Both lengths count bytes, not characters."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def sign(payload_type: str, body: bytes, signers: Sequence[Signer]) -> Envelope:
    """An envelope with one signature of each signer."""
    message = pae(payload_type, body)
    return Envelope(payload_type, body, tuple(Signature(each.public_key.keyid, each.sign(message)) for each in signers))


def signed_by(envelope: Envelope, key: PublicKey) -> bool:
    """Whether one of the signatures is this key's."""
    message = pae(envelope.payload_type, envelope.body)
    return any(key.verifies(signature.sig, message) for signature in envelope.signatures)


def with_signature(envelope: Envelope, signer: Signer) -> Envelope:
    """The envelope with one signature more; the others stay as they are.

    Raises SignatureRefused for a key that has signed it already, and where no reader would take one more.
    """
    key = signer.public_key
    if signed_by(envelope, key):
        raise SignatureRefused(
            f"Key {key.keyid[:12]} has signed this document already; two signatures of one key are one.",
            remedy="Have another person sign it, with a key of their own.",
        )
    if len(envelope.signatures) >= SIGNATURES_LIMIT:
        raise SignatureRefused(
            f"The document carries {SIGNATURES_LIMIT} signatures, and no reader takes more.",
            remedy="Begin again from the document as it was first signed.",
        )
    signature = Signature(key.keyid, signer.sign(pae(envelope.payload_type, envelope.body)))
    return Envelope(envelope.payload_type, envelope.body, (*envelope.signatures, signature))


def verify(
    envelope: Envelope,
    *,
    payload_type: str,
    keys: Iterable[PublicKey],
    threshold: int,
    at_least: Mapping[str, int] = NO_MINIMA,
) -> VerifiedBody:
    """The body, if `threshold` distinct keys out of `keys` signed it as `payload_type`.

    `at_least` demands so many of them per algorithm besides: `{"ed25519": 2, "sm2": 1}`.
    Raises WrongKind for another payload type, SignatureRefused for too few signatures.
    """
    if threshold < 1:
        raise SignatureRefused("A threshold below one would accept anything.")
    if envelope.payload_type != payload_type:
        raise WrongKind(f"The document is {a_kind(envelope.payload_type)}; {a_kind(payload_type)} was expected.")
    message = pae(payload_type, envelope.body)
    candidates = frozenset(keys)
    verified: set[PublicKey] = set()
    for signature in envelope.signatures:
        named_first = sorted(candidates, key=lambda key: (key.keyid != signature.keyid, key.keyid))
        for key in named_first:
            if key not in verified and key.verifies(signature.sig, message):
                verified.add(key)
                break
    if len(verified) < threshold:
        raise SignatureRefused(
            f"{len(verified)} of the {threshold} signatures needed are genuine for this role "
            f"({len(envelope.signatures)} present, {len(candidates)} keys allowed)."
        )
    for algorithm, needed in at_least.items():
        found = sum(key.algorithm == algorithm for key in verified)
        if found < needed:
            raise SignatureRefused(f"{found} of the {needed} {algorithm} signatures needed are genuine for this role.")
    return VerifiedBody(payload_type, envelope.body, tuple(sorted(key.keyid for key in verified)))


def a_kind(payload_type: str) -> str:
    """What a person calls a document of this type: "a licence"; of a foreign one "of the type …"."""
    ours = _OUR_TYPE.fullmatch(payload_type)
    if ours is None:
        return f"of the type {shown(payload_type, 80)!r}"
    return _CALLED.get(ours.group(1), f"a {ours.group(1).replace('-', ' ')}")


def parse(data: bytes) -> Envelope:
    """An envelope in either form. Raises Malformed."""
    return _parse_json(data) if data[:1] == b"{" else _parse_clear(data)


def to_json(envelope: Envelope) -> bytes:
    """The JSON form, ending in a newline."""
    document = {
        "payloadType": envelope.payload_type,
        "payload": base64.b64encode(envelope.body).decode("ascii"),
        "signatures": _signatures_out(envelope.signatures),
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8") + b"\n"


def to_clear(envelope: Envelope) -> bytes:
    """The clear-signed form: the body, then three comment lines. Raises Malformed for a body that is not plain text."""
    _check_plain_text(envelope.body)
    if envelope.body.startswith(b"{"):
        raise Malformed("A clear-signed document cannot begin with '{': it would be taken for the JSON form.")
    block = {"payloadType": envelope.payload_type, "signatures": _signatures_out(envelope.signatures)}
    line = json.dumps(block, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return envelope.body + BEGIN + b"# " + line + b"\n" + END


def _parse_json(data: bytes) -> Envelope:
    document = load_object(data)
    _require_only(document, "payloadType", "payload", "signatures")
    payload = document.get("payload")
    if not isinstance(payload, str):
        raise Malformed("The envelope has no payload.")
    return Envelope(_payload_type_in(document), _base64_in(payload, "payload"), _signatures_in(document))


def _parse_clear(data: bytes) -> Envelope:
    start = data.rfind(BEGIN)
    if start < 0 or (start > 0 and data[start - 1 : start] != b"\n"):
        raise Malformed("The document carries no signature block.")
    body, block = data[:start], data[start + len(BEGIN) :]
    line, newline, rest = block.partition(b"\n")
    if not newline or rest != END:
        raise Malformed("The signature block must be one line followed by its END line, and nothing may follow that.")
    if not line.startswith(b"# "):
        raise Malformed("The signature line does not begin with '# '.")
    _check_plain_text(body)
    document = load_object(line[2:])
    _require_only(document, "payloadType", "signatures")
    return Envelope(_payload_type_in(document), body, _signatures_in(document))


def _require_only(members: Mapping[str, Any], *known: str) -> None:
    """Nothing unsigned travels beside what is signed, where somebody might believe it."""
    if set(members) - set(known):
        raise Malformed("The envelope has a member that no envelope has.")


def _check_plain_text(body: bytes) -> None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise Malformed("A clear-signed document must be UTF-8 text.") from exc
    if b"\r" in body or not body.endswith(b"\n"):
        raise Malformed("A clear-signed document must have LF line ends and end in a newline.")


def _payload_type_in(document: dict[str, Any]) -> str:
    payload_type = document.get("payloadType")
    if not isinstance(payload_type, str) or not payload_type:
        raise Malformed("The envelope names no payload type.")
    return payload_type


def _signatures_in(document: dict[str, Any]) -> tuple[Signature, ...]:
    rows = document.get("signatures")
    if not isinstance(rows, list) or not 1 <= len(rows) <= SIGNATURES_LIMIT:
        raise Malformed(f"The envelope must carry between 1 and {SIGNATURES_LIMIT} signatures.")
    return tuple(_signature_in(row) for row in rows)


def _signature_in(row: object) -> Signature:
    if not isinstance(row, dict):
        raise Malformed("A signature in the envelope is not an object.")
    _require_only(row, "keyid", "sig")
    keyid, sig = row.get("keyid", ""), row.get("sig")
    if not isinstance(keyid, str) or not isinstance(sig, str):
        raise Malformed("A signature in the envelope lacks its text.")
    return Signature(keyid, _base64_in(sig, "signature"))


def _signatures_out(signatures: Iterable[Signature]) -> list[dict[str, str]]:
    return [{"keyid": each.keyid, "sig": base64.b64encode(each.sig).decode("ascii")} for each in signatures]


def _base64_in(text: str, what: str) -> bytes:
    """Standard or URL-safe, padded, in its one canonical spelling (RFC 4648 §3.5: no stray trailing bits)."""
    try:
        raw = text.encode("ascii")
        url_safe = b"-" in raw or b"_" in raw
        decoded = base64.b64decode(raw, altchars=b"-_" if url_safe else None, validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise Malformed(f"The {what} is not base64.") from exc
    again = base64.urlsafe_b64encode(decoded) if url_safe else base64.b64encode(decoded)
    if again != raw:
        raise Malformed(f"The {what} is not base64 in its canonical spelling.")
    return decoded
