"""A file with a secret in it is its owner's alone, or it is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from media.errors import Exposed, MediaError, NotFound, Unreadable
from media.private_file import require_private


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    return file


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700, 0o000])
def test_ones_own_is_private(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    require_private(secret, what="key file")


@pytest.mark.parametrize("bit", [1 << place for place in range(6)])
def test_any_bit_for_others_is_too_much(secret: Path, bit: int) -> None:
    secret.chmod(0o600 | bit)
    with pytest.raises(Exposed, match="the key file") as refused:
        require_private(secret, what="key file")
    assert refused.value.where == str(secret)


def test_another_users_is_refused_and_roots_is_not(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = secret.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        require_private(secret, what="key file")
        os.chown(secret, 4321, -1)
    with pytest.raises(Exposed, match="another user"):
        require_private(secret, what="key file")


@pytest.mark.parametrize(
    ("name", "expected"), [("none", NotFound), ("secret/x", NotFound), ("a\0b", NotFound), ("x" * 300, Unreadable)]
)
def test_what_cannot_be_looked_at_is_a_refusal(secret: Path, name: str, expected: type[MediaError]) -> None:
    with pytest.raises(expected):
        require_private(secret.parent / name, what="key file")
