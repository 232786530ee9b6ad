"""Administrators, roles, tokens and sessions, as an operator types them at the console."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.access.authorise import Permission, Scope
from appliance.cli.qr import qr_lines
from appliance.operations.sign_in import who_calls
from appliance.state.site import open_site
from tests.appliance.access.administered import DESK, PASSWORD, try_in
from tests.appliance.cli.commands import ao
from tests.appliance.sites import make_site


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make_site(tmp_path / "state").close()
    return tmp_path / "state"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    return str(file)


def told(*words: str, state: Path, code: int = 0) -> Any:
    said = ao(*words, "--json", state=state)
    assert (said.fault, said.code) == (None, code), said
    return json.loads(said.out)


def test_an_administrator_from_being_made_to_being_gone(state: Path, secret: str) -> None:
    made = told(
        "admins", "create", "anna", "--role", "team-lead", "--org", "bank", "--team", "cards",
        "--password-file", secret, state=state,
    )  # fmt: skip
    assert made["totp_uri"].startswith("otpauth://totp/AO%20")
    assert len(made["recovery_codes"]) == 8
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(open_site(state)) as site:
        opened = try_in(site, "anna", PASSWORD, made["recovery_codes"][0], now)
        assert opened.principal.may(Permission.CAPS_WRITE, Scope("bank", "cards"))
    (session,) = told("sessions", "list", state=state)["sessions"]
    assert (session["id"], session["source"]) == (opened.session.id, "10.0.0.1")
    told("sessions", "end", session["id"], state=state)
    assert told("sessions", "list", state=state)["sessions"] == []
    assert told("admins", "grant", "anna", "viewer", "--org", "shop", state=state)["changed"]
    assert not told("admins", "grant", "anna", "viewer", "--org", "shop", state=state)["changed"]
    assert told("admins", "revoke-grant", "anna", "viewer", "--org", "shop", state=state)["changed"]
    assert told("admins", "disable", "anna", state=state)["state"] == "disabled"
    assert told("admins", "enable", "anna", state=state)["state"] == "active"
    again = told("admins", "totp", "anna", state=state)
    assert again["totp_secret"] != made["totp_secret"]
    assert told("admins", "reset", "anna", "--password-file", secret, state=state)["recovery_codes_left"] == 8
    (listed,) = told("admins", "list", state=state)["administrators"]
    assert listed == told("admins", "show", "anna", state=state)
    assert listed["roles"] == [{"role": "team-lead", "org": "bank", "team": "cards"}]
    assert told("admins", "remove", "anna", state=state, code=1) == {"removed": False}
    assert told("admins", "remove", "anna", "--yes", state=state) == {"removed": True}
    assert told("admins", "show", "anna", state=state, code=130)["error"]["code"] == "administrator_unknown"
    assert told("audit", "verify", state=state)["entries"] == 11


def test_a_password_is_typed_twice_and_never_an_argument(state: Path) -> None:
    said = ao("admins", "create", "anna", state=state, typed=f"{PASSWORD}\nsomething else\n")
    assert (said.code, "differ" in said.err) == (131, True)
    said = ao("admins", "create", "anna", state=state, typed="password1234\npassword1234\n")
    assert (said.code, "guessed first" in said.err) == (131, True)
    said = ao("admins", "create", "anna", state=state, typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert said.code == 0
    assert PASSWORD not in said.out + said.err
    assert "--password " not in ao("admins", "create", "--help").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["admins", "create", "Anna"], 131),
        (["admins", "create", "anna", "--role", "king"], 132),
        (["admins", "create", "anna", "--role", "site-admin", "--org", "bank"], 133),
        (["admins", "create", "anna", "--team", "cards"], 2),
        (["admins", "grant", "nobody", "viewer"], 130),
        (["roles", "define", "viewer", "--permission", "audit.read"], 133),
        (["roles", "define", "x-role", "--permission", "audit.reed"], 133),
        (["roles", "remove", "viewer"], 133),
        (["roles", "remove", "no-such"], 132),
        (["roles", "limit", "viewer", "--from", "10.0.0.1/8"], 71),
        (["roles", "limit", "viewer"], 2),
        (["tokens", "create", "--name", "ci", "--permission", "administrators.write"], 135),
        (["tokens", "create", "--name", "C I", "--permission", "audit.read"], 135),
        (["tokens", "create", "--name", "ci", "--permission", "audit.read", "--expires", "2020-01-01"], 135),
        (["tokens", "revoke", "ci"], 134),
        (["sessions", "end", "ses_x"], 136),
    ],
)
def test_what_cannot_be_is_refused_with_a_code_of_its_own(
    state: Path, secret: str, words: list[str], code: int
) -> None:
    password = ["--password-file", secret] if words[:2] == ["admins", "create"] else []
    said = ao(*words, *password, state=state)
    assert (said.fault, said.code) == (None, code), said
    assert told("audit", "verify", state=state)["entries"] == 1


def test_a_role_and_a_token_of_ones_own(state: Path) -> None:
    made = told("roles", "define", "key-maker", "--permission", "keys.write", "--title", "Makes keys", state=state)
    assert made["permissions"] == ["keys.read", "keys.write"]
    assert told("roles", "limit", "key-maker", "--from", "10.0.0.0/24", state=state)["networks"] == ["10.0.0.0/24"]
    assert told("roles", "show", "key-maker", state=state)["networks"] == ["10.0.0.0/24"]
    assert "key-maker" in {each["name"] for each in told("roles", "list", state=state)["roles"]}
    token = told("tokens", "create", "--name", "ci", "--permission", "keys.write", "--org", "bank", state=state)
    with closing(open_site(state)) as site:
        called = who_calls(site, token["token"], DESK, datetime.now(UTC))
        assert called.principal.may(Permission.KEYS_WRITE, Scope("bank"))
    (listed,) = told("tokens", "list", state=state)["tokens"]
    assert (listed["used_from"], "token" in listed) == ("10.0.0.1", False)
    assert told("tokens", "revoke", "ci", state=state)["state"] == "revoked"
    assert told("roles", "remove", "key-maker", state=state) == {"removed": "key-maker"}


def test_a_picture_is_square_and_only_blocks() -> None:
    lines = qr_lines("otpauth://totp/AO%20site:anna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    assert len({len(line) for line in lines}) == 1
    assert abs(len(lines) * 2 - len(lines[0])) <= 1
    assert set("".join(lines)) <= set("█▀▄ ")
    assert set(lines[0]) == {"█"}
