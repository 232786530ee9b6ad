"""Quotas in a folder, accounts, and calls at made-up moments."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from appliance.access.account import Account, Ask, Full, Moment, Spent
from appliance.access.caps import Caps
from appliance.access.quota import QUOTA_FILE, Quota, Taken

BOOT = hashlib.sha256(b"the boot of this test").digest()[:16]
DAY = 20_000
"""A Wednesday of 2024, in days since 1970."""


def opened(folder: Path, boot: bytes = BOOT) -> Quota:
    return Quota(folder / QUOTA_FILE, boot_id=boot)


def account(name: str = "team", spent: Spent | None = None, **caps: Any) -> Account:
    return Account("team", name, f"The {name}", Caps(**caps), spent or Spent())


def at(seconds: float) -> Moment:
    """A moment of DAY's noon, and so many seconds since the host's start."""
    return Moment(seconds, DAY * 86_400 + 43_200 + seconds)


def ask(prompt: int = 0, output: int = 0, *, bounded: bool = True, cost: int = 0) -> Ask:
    return Ask(prompt, output, bounded, cost)


def admitted(quota: Quota, moment: Moment, attempts: int, *accounts: Account, of: Ask | None = None) -> int:
    answers = [quota.admit(accounts, of or Ask(), moment) for _ in range(attempts)]
    return sum(isinstance(each, Taken) for each in answers)


def taken(quota: Quota, moment: Moment, *accounts: Account, of: Ask | None = None) -> Taken:
    answer = quota.admit(accounts, of or Ask(), moment)
    assert isinstance(answer, Taken), answer
    return answer


def full(quota: Quota, moment: Moment, *accounts: Account, of: Ask | None = None) -> Full:
    answer = quota.admit(accounts, of or Ask(), moment)
    assert isinstance(answer, Full)
    return answer
