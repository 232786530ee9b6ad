"""Documents that no command would make: signed with the vendor's own keys, but saying what should not be said."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from licensing.document import PAYLOAD_TYPES, format_time
from licensing.envelope import parse, sign, to_clear, to_json
from licensing.licence import Licence
from licensing.receipt import Receipt
from licensing.trust import RoleName
from licensing.vendor.issue import sign_licence
from tests.real.site_and_vendor import Vendor


def licence_like(vendor: Vendor, genuine: Path, out: Path, **changes: Any) -> Path:
    """The genuine licence with other claims, signed again by the vendor's licence key."""
    claims = Licence.model_validate_json(parse(genuine.read_bytes()).body).model_copy(update=changes)
    out.write_bytes(sign_licence(claims, vendor.signers("licence"), vendor.trust()).document)
    return out


def licence_for(vendor: Vendor, genuine: Path, out: Path, *, site: str, serial: int) -> Path:
    """The genuine licence, made out to another site under this serial."""
    binding = Licence.model_validate_json(parse(genuine.read_bytes()).body).binding
    return licence_like(vendor, genuine, out, serial=serial, binding=binding.model_copy(update={"site": site}))


def config_signed(
    vendor: Vendor, text: str, out: Path, *, site: str, serial: int, role: RoleName = "config", head: bool = True
) -> Path:
    """Whatever text, with a head before it, signed by the keys of a role."""
    lines = (
        f"kind: config\nschema: 1\nserial: {serial}\nissued_at: {format_time(datetime.now(UTC))!r}\nsite: {site}\n"
        if head
        else ""
    )
    body = (lines + text).encode()
    out.write_bytes(to_clear(sign(PAYLOAD_TYPES["config"], body, vendor.signers(role))))
    return out


def receipt_like(vendor: Vendor, genuine: Path, out: Path, **changes: Any) -> Path:
    claims = Receipt.model_validate_json(parse(genuine.read_bytes()).body).model_copy(update=changes)
    out.write_bytes(to_json(sign(Receipt.payload_type(), claims.to_bytes(), vendor.signers("receipt"))))
    return out


def sample_positions(document: bytes) -> list[int]:
    """Places in a signed document where a changed byte must be noticed: in what is signed, in its kind, in the
    signature, and in the envelope around them. (The key id is left out: it is only a hint, and decides nothing.)"""
    if document.startswith(b"{"):
        whole = json.loads(document)
        payload = document.index(whole["payload"].encode())
        size = len(whole["payload"])
        signed = [payload, payload + size // 3, payload + 2 * size // 3]
        kind = document.index(b"application/") + 2
    else:
        end = document.index(b"# -----BEGIN")
        signed = [0, end // 3, end - 2]
        kind = document.rindex(b"application/") + 2
    found = re.search(rb'"sig": ?"([^"]+)"', document)
    assert found
    signature = found.start(1)
    return [*signed, kind, signature + 5, signature + 40, document.rindex(b"}")]


def flipped(document: bytes, position: int) -> bytes:
    return document[:position] + bytes([document[position] ^ 0x01]) + document[position + 1 :]
