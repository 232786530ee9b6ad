"""Where keys come from, and that they go no further."""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_a_folder_that_is_not_this_users_keeps_nobody_from_the_environment(tmp_path: Path) -> None:
    """As the gateway's user with a folder of root's, none of whose files systemd has handed on."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "A").write_text("in-the-folder")
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == 0 and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)
    code = (
        "import os\nfrom pathlib import Path\nfrom appliance.config.secrets import host_secrets\n"
        "from appliance.errors import SecretMissing\nos.setgid(65534); os.setuid(65534)\n"
        f"look_up = host_secrets({{'A': 'from-environment'}}, Path({str(folder)!r}))\n"
        "print(look_up('A'))\n"
        "try: look_up('B')\nexcept SecretMissing as refusal: print(refusal.where)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["from-environment", str(folder / "B")]
