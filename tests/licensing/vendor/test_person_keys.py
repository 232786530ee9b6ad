"""A person's own key: made outside any home, shown without a secret."""

from __future__ import annotations

import json

import pytest

from licensing.envelope import sign, verify
from licensing.vendor.errors import KeyDamaged
from licensing.vendor.key_files import open_key
from licensing.vendor.unlock import Unlock
from media.errors import Exposed
from tests.licensing.vendor.vendors_desk import words
from tests.licensing.vendor.vendors_shell import Shell


@pytest.mark.parametrize("algorithm", ["ed25519", "sm2"])
@pytest.mark.parametrize("role", [None, "root"])
def test_a_new_key_signs_and_is_its_owners_alone(shell: Shell, algorithm: str, role: str | None) -> None:
    options = ["--role", role] if role else []
    shell.desk.home = type(shell.desk.home)(shell.desk.folder / "no home")
    made = shell.json(
        "key",
        "new",
        "--label",
        "alice",
        "--algorithm",
        algorithm,
        *options,
        "--out",
        "alice.key",
        "--kdf",
        "interactive",
    )
    path = shell.desk.folder / "alice.key"
    assert (made["algorithm"], made["role"], made["label"]) == (algorithm, role, "alice")
    assert path.stat().st_mode & 0o777 == 0o600
    key = open_key(path, Unlock(words))
    assert key.public_key.keyid == made["key"]
    envelope = sign("application/x", b"body", [key])
    verify(envelope, payload_type="application/x", keys=[key.public_key], threshold=1)
    assert shell.json_plain("key", "show", path) == made | {"file": str(path)}
    text = shell.run("key", "show", path).stdout
    assert made["key"] in text
    path.chmod(0o644)
    with pytest.raises(Exposed):
        open_key(path, Unlock(words))


def test_a_key_is_never_made_over_another_file(shell: Shell) -> None:
    mine = shell.desk.file("alice.key", b"mine")
    refused = shell.json("key", "new", "--label", "alice", "--out", mine, "--kdf", "interactive", code=58)
    assert refused["error"]["code"] == "media_already_there"
    assert mine.read_bytes() == b"mine"


def test_a_new_passphrase_is_typed_twice(shell: Shell) -> None:
    arguments = ("key", "new", "--label", "alice", "--out", "alice.key", "--kdf", "interactive", "--json")
    refused = shell.run(*arguments, stdin="one\nother\n")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (94, "passphrase_refused")
    short = shell.run(*arguments, stdin="eleven here\neleven here\n")
    assert (short.exit_code, json.loads(short.stdout)["error"]["code"]) == (94, "passphrase_refused")
    assert not (shell.desk.folder / "alice.key").exists()
    assert shell.run(*arguments, stdin="four words of hers\nfour words of hers\n").exit_code == 0


def test_a_public_key_signs_nothing(shell: Shell) -> None:
    shell.json_plain("key", "show", shell.desk.home.keys / "root-1.json", "--out", "root.pub")
    path = shell.desk.folder / "root.pub"
    path.chmod(0o600)
    with pytest.raises(KeyDamaged, match="public key"):
        open_key(path, Unlock(words))
