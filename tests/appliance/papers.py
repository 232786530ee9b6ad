"""What a vendor would hand to the test site: trust, licences, configs and receipts, signed with keys of fixed seeds."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from licensing.document import format_time
from tests.licensing.documents import (
    clear_signed,
    keys,
    licence_members,
    receipt_members,
    signed,
    trust_members,
)

SITE = "harbour-hospital"
NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
"""The moment of every test that does not run a real gateway."""

OFFICERS = ("officer-1", "officer-2")


def entropy(name: str, size: int) -> bytes:
    """Bytes that look random and are the same in every run."""
    return hashlib.shake_256(name.encode()).digest(size)


def trust_bytes(*signers: str, **changes: Any) -> bytes:
    return signed("trust", trust_members(**changes), *keys(*(signers or ("root-1", "root-2"))))


def licence_bytes(*, key: str, epoch: int, now: datetime = NOW, signer: str = "licence-1", **changes: Any) -> bytes:
    """A licence for the site that has this key and epoch, valid for a year around `now`."""
    usual: dict[str, Any] = {
        "serial": 1,
        "issued_at": format_time(now - timedelta(days=1)),
        "binding": {"site": SITE, "key": key, "epoch": epoch},
        "edition": "enterprise",
        "add_ons": ["demo"],
        "caps": {},
        "not_before": format_time(now - timedelta(days=1)),
        "expires_at": format_time(now + timedelta(days=365)),
    }
    return signed("licence", licence_members(**(usual | changes)), *keys(signer))


DEMO_MODELS = "models:\n  - alias: chat\n    provider:\n      name: demo\n"


def config_head(*, serial: int = 1, now: datetime = NOW, site: str = SITE) -> str:
    issued = format_time(now - timedelta(hours=1))
    return f"kind: config\nschema: 1\nserial: {serial}\nissued_at: {issued}\nsite: {site}\n"


def config_bytes(models: str = DEMO_MODELS, *, signers: tuple[str, ...] = OFFICERS, **head: Any) -> bytes:
    return clear_signed((config_head(**head) + models).encode(), *keys(*signers))


def receipt_bytes(*, epoch: int, now: datetime = NOW, signer: str = "receipt-1", **changes: Any) -> bytes:
    usual: dict[str, Any] = {"serial": 1, "issued_at": format_time(now), "site": SITE, "epoch": epoch}
    return signed("receipt", receipt_members(**(usual | changes)), *keys(signer))
