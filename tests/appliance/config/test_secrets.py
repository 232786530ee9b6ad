"""Where keys come from, and that they go no further."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config.model import Deployment
from appliance.config.secrets import host_secrets, resolve_keys
from appliance.errors import SecretMissing
from tests.appliance.sites import no_secrets


def deployment(api_key: str | None, number: int = 0) -> Deployment:
    return Deployment(f"chat#{number}", "chat", "openai-compatible", "m", "http://gpu", api_key, ())


def test_the_folder_comes_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("from-file\n")
    look_up = host_secrets({"A": "from-environment", "B": "only-there"}, tmp_path)
    assert (look_up("A"), look_up("B"), look_up("C")) == ("from-file", "only-there", None)
    assert host_secrets({"A": "x", "EMPTY": ""}, None)("A") == "x"
    assert host_secrets({"EMPTY": ""}, None)("EMPTY") is None


def test_a_secret_file_that_cannot_be_used_is_not_replaced_by_another_value(tmp_path: Path) -> None:
    """The operator put a file there: a value from elsewhere would hide that it is not read."""
    (tmp_path / "A").write_bytes(b"\xff\xfe")
    (tmp_path / "B").write_bytes(b"x" * 20_000)
    look_up = host_secrets({"A": "other", "B": "other"}, tmp_path)
    for name in ("A", "B"):
        with pytest.raises(SecretMissing):
            resolve_keys([deployment(f"${{{name}}}")], look_up, "site", nothing_opens)


def nothing_opens(_: bytes) -> bytes:
    raise AssertionError("nothing is sealed here")


def test_keys_are_found_by_deployment() -> None:
    deployments = [deployment(None, 0), deployment("sk-inline", 1), deployment("${A}", 2)]
    assert resolve_keys(deployments, {"A": "sk-a"}.get, "site", nothing_opens) == {
        "chat#1": "sk-inline",
        "chat#2": "sk-a",
    }


def test_a_missing_key_is_named_with_the_place_that_asks() -> None:
    with pytest.raises(SecretMissing) as refused:
        resolve_keys([deployment("${GPU_KEY}", 3)], no_secrets, "site", nothing_opens)
    assert "GPU_KEY" in refused.value.message
    assert refused.value.where == "chat#3"


@pytest.mark.parametrize("value", ["sk-\n-x", "sk-ä", "sk-\x00", "a\r\nx-injected: 1"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(value: str) -> None:
    with pytest.raises(SecretMissing) as refused:
        resolve_keys([deployment("${A}")], {"A": value}.get, "site", nothing_opens)
    assert value not in str(refused.value)


def test_no_key_is_in_the_repr_of_a_deployment() -> None:
    assert "sk-inline" not in repr(deployment("sk-inline"))
