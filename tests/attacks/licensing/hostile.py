"""What the attacks on documents have in common: a vendor's trust, its keys, and what a site does with a file."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from licensing.document import PAYLOAD_TYPES
from licensing.envelope import Envelope, Signature, parse, to_clear
from licensing.errors import LicensingError
from licensing.licence import open_licence
from licensing.ratchet import Arrival, Floor, arrive
from licensing.strict_json import canonical
from licensing.trust import Trust
from tests.licensing.documents import (
    CONFIG_TEXT,
    ROLE_KEYS,
    THRESHOLDS,
    envelope_of,
    key,
    keys,
    licence_members,
    signed,
    trust,
    trust_members,
)

TRUST = trust()
THIEF = key("thief")
OFFICERS = keys("officer-1", "officer-2")
GENUINE_CONFIG = envelope_of("config", CONFIG_TEXT, *OFFICERS)
FIRST, SECOND = GENUINE_CONFIG.signatures
NEW_ROOTS = dict(ROLE_KEYS) | {"root": ("root-7", "root-8", "root-9")}
THIEVES_ROOT = dict(ROLE_KEYS) | {"root": ("thief",)}
ONE_ROOT = dict(THRESHOLDS) | {"root": 1}
DEEP = b"[" * 100_000 + b"]" * 100_000


@contextmanager
def meets(code: str) -> Iterator[None]:
    """What happens inside is refused with this code, and the refusal says what to do."""
    with pytest.raises(LicensingError) as caught:
        yield
    assert caught.value.code == code
    assert caught.value.remedy


def trust_file(*signers: str, **changes: Any) -> bytes:
    return signed("trust", trust_members(**changes), *keys(*signers))


def licence_file(**changes: Any) -> bytes:
    return signed("licence", licence_members(**changes), key("licence-1"))


def import_licence(data: bytes, *, into: Trust = TRUST, floor: Floor | None = None) -> Arrival:
    """As a site does it: open, then hold against the floor."""
    opened = open_licence(data, into)
    return arrive(
        floor, role=opened.role, key_epoch=opened.key_epoch, serial=opened.claims.serial, digest=opened.digest
    )


def floor_at(serial: int, key_epoch: int = 1) -> Floor:
    return Floor("licence", key_epoch, serial, "sha256:" + "ab" * 32)


def config_of(*signatures: Signature) -> Envelope:
    return Envelope(PAYLOAD_TYPES["config"], CONFIG_TEXT, signatures)


def open_config(config: Envelope | bytes) -> object:
    """As a site does it whose configs two officers sign."""
    data = to_clear(config) if isinstance(config, Envelope) else config
    return TRUST.verify(parse(data), role="config", payload_type=PAYLOAD_TYPES["config"])


# -- a licence file, and what can be exchanged in it -------------------------------------------------------------------

FILE = licence_file()
PAYLOAD: str = json.loads(FILE)["payload"]
SIG: str = json.loads(FILE)["signatures"][0]["sig"]
BODY = canonical(licence_members())


def around(old: str | bytes, new: str | bytes) -> bytes:
    """The genuine licence file with one thing exchanged in its unsigned frame."""
    return _exchanged(FILE, old, new)


def under(old: str | bytes, new: str | bytes) -> bytes:
    """A licence file with one thing exchanged in its body, and a genuine signature over that."""
    return signed("licence", _exchanged(BODY, old, new), key("licence-1"))


def _exchanged(data: bytes, old: str | bytes, new: str | bytes) -> bytes:
    before, after = (each.encode() if isinstance(each, str) else each for each in (old, new))
    assert before in data
    assert before != after
    return data.replace(before, after, 1)


def refuses(data: bytes, code: str = "document_malformed") -> None:
    with meets(code):
        open_licence(data, TRUST)


def base64_of_nothing() -> str:
    return base64.b64encode(b"{}").decode()
