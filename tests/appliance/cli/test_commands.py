"""The commands, as an operator types them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.state.site import open_site
from tests.appliance.cli.commands import Said, ao
from tests.appliance.entries import entry, record
from tests.appliance.gateways import AO
from tests.appliance.papers import config_bytes, licence_bytes, trust_bytes
from tests.appliance.sites import make_site

TODAY = datetime.now(UTC).replace(microsecond=0)
INLINE = (
    "models:\n  - alias: chat\n    provider:\n      name: openai-compatible\n"
    "      api_base: http://gpu\n      api_key: sk-inline-secret\n"
)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


@pytest.fixture
def state(tmp_path: Path, stick: Path) -> Path:
    """A site made a moment ago, lest a midnight lie between; a licence and configs for it are on the stick."""
    with closing(make_site(tmp_path / "state", now=TODAY - timedelta(seconds=2))) as site:
        key, epoch = site.key.public_key.keyid, site.epoch
        record(site, entry("x", ended_at=int((TODAY - timedelta(seconds=1)).timestamp() * 1000)), name="w")
    (stick / "licence.json").write_bytes(licence_bytes(key=key, epoch=epoch, now=TODAY))
    (stick / "elsewhere.json").write_bytes(licence_bytes(key="0" * 64, epoch=epoch, now=TODAY, serial=2))
    (stick / "config.yaml.signed").write_bytes(config_bytes(now=TODAY))
    (stick / "second.yaml.signed").write_bytes(config_bytes(INLINE, serial=2, now=TODAY))
    return tmp_path / "state"


def data(said: Said) -> Any:
    assert (said.fault, said.err) == (None, "")
    return json.loads(said.out)


def test_a_site_from_nothing_to_its_request(tmp_path: Path, stick: Path) -> None:
    (stick / "trust.json").write_bytes(trust_bytes())
    state = tmp_path / "new"
    words = ["init", "--site", "acme-berlin", "--name", "Acme Bank, Berlin", "--trust", str(stick / "trust.json")]
    made = ao(*words, state=state)
    assert (made.code, made.fault) == (0, None)
    assert "Pinned trust  sha256:" in made.out
    again = ao(*words, state=state)
    assert again.code == 41
    asked = data(ao("site", "request", "--out", str(stick / "request.json"), "--json", state=state))
    assert Path(asked["file"]).is_file()
    status = ao("status", "--json", state=state)
    assert (status.code, json.loads(status.out)["licence"]["rung"]) == (20, "missing")


@pytest.mark.parametrize(
    ("site", "name"), [("Acme", "x"), ("a", "x"), ("acme", ""), ("acme", "x" * 200), ("acme", "a\nb")]
)
def test_a_site_whose_request_nobody_could_read_is_not_made(tmp_path: Path, stick: Path, site: str, name: str) -> None:
    (stick / "trust.json").write_bytes(trust_bytes())
    said = ao("init", "--site", site, "--name", name, "--trust", str(stick / "trust.json"), state=tmp_path / "new")
    assert (said.code, said.fault) == (46, None)
    assert not (tmp_path / "new").exists()


def test_a_licence_is_verified_imported_and_shown(state: Path, stick: Path) -> None:
    file = str(stick / "licence.json")
    verified = data(ao("licence", "verify", file, "--json", state=state))
    assert (verified["rung"], verified["arrival"]) == ("valid", "new")
    assert ao("licence", "show", state=state).code == 20
    assert "is in force" in ao("licence", "import", file, state=state, typed="y\n").out
    assert ao("licence", "show", state=state).code == 0
    assert "already in force" in ao("licence", "import", file, state=state, typed="y\n").out


def test_a_licence_for_another_site_is_judged_and_not_imported(state: Path, stick: Path) -> None:
    file = str(stick / "elsewhere.json")
    assert ao("licence", "verify", file, state=state).code == 25
    refused = ao("licence", "import", file, state=state)
    assert refused.code == 25
    assert "[licence_wrong_site]" in refused.err
    assert ao("licence", "show", state=state).code == 20


def test_a_config_is_shown_asked_about_and_put_in_force(state: Path, stick: Path) -> None:
    file = str(stick / "config.yaml.signed")
    assert ao("config", "import", file, "--yes", state=state).code == 20
    ao("licence", "import", str(stick / "licence.json"), state=state)
    assert "added chat" in ao("config", "diff", file, state=state).out
    assert ao("config", "show", state=state).code == 61
    declined = ao("config", "import", file, state=state, typed="n\n")
    assert declined.code == 1
    assert ao("config", "show", state=state).code == 61
    taken = ao("config", "import", file, state=state, typed="y\n")
    assert "Config 1 is in force." in taken.out
    assert "already in force" in ao("config", "import", file, state=state).out
    assert ao("config", "import", str(stick / "second.yaml.signed"), "--yes", state=state).code == 0
    back = ao("config", "import", file, "--yes", state=state)
    assert (back.code, "rollback refused" in back.err) == (14, True)


def test_asking_for_json_is_no_consent(state: Path, stick: Path) -> None:
    """`--yes` is what says yes; a script that only wants to read must not change what is served."""
    ao("licence", "import", str(stick / "licence.json"), state=state)
    ao("config", "import", str(stick / "config.yaml.signed"), "--json", state=state)
    assert ao("config", "show", state=state).code == 61


def test_a_key_in_a_config_is_not_shown(state: Path, stick: Path) -> None:
    ao("licence", "import", str(stick / "licence.json"), state=state)
    file = str(stick / "second.yaml.signed")
    for words in (["config", "diff", file], ["config", "import", file, "--yes"], ["config", "show"], ["status"]):
        for more in ([], ["--json"]):
            said = ao(*words, *more, state=state)
            assert said.fault is None
            assert "sk-inline-secret" not in said.out + said.err, words + more


def test_a_key_is_shown_once(state: Path) -> None:
    made = data(ao("keys", "create", "--name", "bot", "--team", "ward-3", "--json", state=state))
    secret = made["key"]
    listed = data(ao("keys", "list", "--json", state=state))
    assert [key["name"] for key in listed["keys"]] == ["bot"]
    for words in (["keys", "list"], ["keys", "revoke", "bot", "--yes"], ["keys", "list"], ["status"]):
        assert secret not in ao(*words, state=state).out
    assert data(ao("keys", "list", "--json", state=state))["keys"][0]["state"] == "revoked"
    assert "already" in ao("keys", "revoke", "bot", "--yes", state=state).out


def test_a_key_is_revoked_by_what_the_list_shows_of_it(state: Path) -> None:
    ao("keys", "create", "--name", "bot", state=state)
    shown = data(ao("keys", "list", "--json", state=state))["keys"][0]
    assert ao("keys", "revoke", shown["prefix"], "--yes", state=state).code == 0


def test_a_revocation_is_asked_about(state: Path) -> None:
    ao("keys", "create", "--name", "bot", state=state)
    assert ao("keys", "revoke", "bot", state=state, typed="n\n").code == 1
    assert data(ao("keys", "list", "--json", state=state))["keys"][0]["state"] == "active"
    assert ao("keys", "revoke", "bot", state=state, typed="y\n").code == 0
    assert ao("keys", "revoke", "nobody", "--yes", state=state).code == 70
    assert ao("keys", "create", "--name", "x", "--expires", "2020-01-01", state=state).code == 71


def test_nobody_is_asked_about_a_key_that_is_not_there(state: Path) -> None:
    said = ao("keys", "revoke", "key_nobody", state=state, typed="y\n")
    assert (said.code, said.out) == (70, "")


def test_usage_is_shown_sealed_and_exported(state: Path, stick: Path) -> None:
    uses = data(ao("usage", "show", "--json", state=state))["uses"]
    assert [(use["team"], use["requests"]) for use in uses] == [("ward-3", 1)]
    nothing = ao("usage", "export", "--out", str(stick), state=state)
    sealed = data(ao("usage", "seal", "--now", "--json", state=state))["files"]
    assert sealed
    assert nothing.code in (0, 80)
    written = data(ao("usage", "export", "--out", str(stick), "--json", state=state))["files"]
    assert len(written) >= len(sealed)
    shown = data(ao("usage", "show", written[0]["file"], "--json", state=state))
    assert shown["kind"] == "usage"
    assert written[0]["digest"] == sealed[0]["digest"], "one document has one digest"
    assert '"registers"' in ao("usage", "show", written[0]["file"], state=state).out


@pytest.mark.parametrize(
    "words", [["status"], ["usage", "show"], ["usage", "seal"], ["keys", "list"], ["licence", "show"]]
)
@pytest.mark.parametrize("gone", ["journal", "site.key"])
def test_a_state_folder_that_lost_a_part_is_a_refusal_and_never_a_fault(
    state: Path, words: list[str], gone: str
) -> None:
    part = state / gone
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink()
    said = ao(*words, state=state)
    assert said.fault is None, repr(said.fault)


def test_serving_is_refused_with_the_exit_code_of_the_rung(state: Path, stick: Path) -> None:
    def served() -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "AO_STATE_DIR": str(state)}
        return subprocess.run([AO, "serve"], env=environment, capture_output=True, text=True, check=False, timeout=30)

    assert served().returncode == 20
    ao("licence", "import", str(stick / "licence.json"), state=state)
    refused = served()
    assert (refused.returncode, refused.stdout) == (61, "")
    assert "[config_missing]" in refused.stderr


def test_status_says_all_of_it(state: Path, stick: Path) -> None:
    ao("licence", "import", str(stick / "licence.json"), state=state)
    ao("config", "import", str(stick / "config.yaml.signed"), "--yes", state=state)
    found = data(ao("status", "--json", state=state))
    assert found["licence"]["rung"] == "valid"
    assert found["config"]["serial"] == 1
    assert found["running_since"] is None
    assert found["usage"]["since_receipt"][0]["requests"] == 1
    plain = ao("status", state=state)
    assert "not running" in plain.out
    with closing(open_site(state)) as site:
        assert site.name in plain.out
