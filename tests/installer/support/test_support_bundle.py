"""`ao support-bundle` beside a real gateway, with secrets planted wherever one can come from."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.config.sealed import Place, seal
from appliance.state.site import open_site
from installer.support.bundle import Bundle, Part, within_limits
from installer.support.collect import PARTS
from tests.appliance.gateways import AO, Gateway
from tests.appliance.papers import DEMO_MODELS, SITE, config_bytes, entropy
from tests.real.secret_search import found_in
from tests.rules.tree import ROOT


def planted(name: str) -> str:
    return f"sk-{base64.b32encode(entropy(name, 20)).decode().lower()}"


SECRETS: Mapping[str, str] = {
    name: planted(name)
    for name in ("clear key", "sealed key", "environment key", "file key", "prompt", "bearer", "completion")
}
PERSON = "anna.meier@acme.de"
FRAME = '  File "/opt/ao/current/lib/python3.13/site-packages/appliance/gateway/relay.py", line 41, in relay'


class Supported(Gateway):
    """A gateway that serves, one call that failed, and a log to which others have written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(folder, DEMO_MODELS)
        self.settings, self.log = folder / "settings.toml", folder / "planted.log"
        credentials = folder / "credentials"
        credentials.mkdir()
        (credentials / "FILE_KEY").write_text(SECRETS["file key"] + "\n")
        self.settings.write_text(
            f'host = "127.0.0.1"\nport = {self.port}\nkeep_free_mib = 1\nsecrets_dir = "{credentials}"\n'
        )
        self.extra_environment = {
            "UPSTREAM_KEY": SECRETS["environment key"],
            "CREDENTIALS_DIRECTORY": str(credentials),
            "PYTHONPATH": str(ROOT),
        }
        self.log.write_text(
            "2026-11-28 08:00:00,123 WARNING ao.gateway the clock was set by 7200 s\n"
            f"2026-11-28 08:00:01,123 WARNING ao.gateway req_0193d2f1a2b3ab12cd000017: {SECRETS['prompt']}\n"
            "2026-11-28 08:00:02,123 ERROR ao.gateway upstream said: "
            f'{{"error": {{"message": "cannot answer {SECRETS["prompt"]} for {PERSON}"}}}}\n'
            f"Authorization: Bearer {SECRETS['bearer']}\n"
            f"{FRAME}\n    raise KeyError({SECRETS['completion']!r})\nbuiltins.KeyError\n"
        )

    def import_config(self) -> None:
        base = "http://127.0.0.1:9/tenants/v1"
        with closing(open_site(self.state)) as site:
            sealed = seal(
                SECRETS["sealed key"], Place(SITE, "sealed", "openai-compatible", base), site.key.sealing_public
            )
        keys = {
            "clear": SECRETS["clear key"],
            "sealed": sealed,
            "hosted": "${UPSTREAM_KEY}",
            "filed": "${FILE_KEY}",
        }
        provider = f"name: openai-compatible, api_base: {base}"
        text = "models:\n" + "".join(
            f"  - {{alias: {alias}, provider: {{{provider}, api_key: '{key}'}}}}\n" for alias, key in keys.items()
        )
        file = self.folder / "config.yaml.signed"
        file.write_bytes(config_bytes(text, serial=2))
        done = self.ao("config", "import", str(file), "--yes")
        assert done.returncode == 0, done

    def bundle(self, *more: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "tests.installer.commands", "support-bundle", "--ao", str(AO)]
        words += ["--state-dir", str(self.state), "--settings", str(self.settings)]
        words += ["--log-file", str(self.log), "--log-file", str(self.stderr), *more]
        return subprocess.run(
            words,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supported]:
    made = Supported(tmp_path_factory.mktemp("supported"))
    made.import_config()
    made.new_key(PERSON)
    made.start()
    try:
        for alias in ("clear", "hosted"):
            body = {"role": "user", "content": SECRETS["prompt"]}
            assert made.post(alias, messages=[body]).status_code >= 500
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def written(site: Supported) -> Path:
    file = site.folder / "bundle.jsonl"
    done = site.bundle("--out", str(file), "--yes")
    assert done.returncode == 0, done
    (site.folder / "said").write_text(done.stdout + done.stderr)
    return file


def records(file: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    head, *rest = (json.loads(line) for line in file.read_text("ascii").splitlines())
    parts: dict[str, list[dict[str, Any]]] = {each["part"]: [] for each in head["parts"]}
    for each in rest:
        parts[each.pop("part")].append(each)
    return head, parts


def test_no_planted_secret_and_nobodys_name_leaves(site: Supported, written: Path) -> None:
    assert found_in([written, site.folder / "said"], SECRETS) == []
    text = written.read_text()
    for name in (PERSON, "anna", "ward-3", "tenants", "Harbour Hospital", "PROMPT-MARKER", site.key):
        assert name not in text, name


def test_what_helps_leaves(site: Supported, written: Path) -> None:
    head, parts = records(written)
    assert tuple(parts) == PARTS
    assert parts["status"][0]["licence"]["rung"] == "valid"
    assert parts["settings"][0]["port"] == site.port
    assert parts["audit"][0]["entries"] > 2
    assert any("ao_requests_total" in each["metric"] for each in parts["metrics"])
    models = parts["config"][0]["models"]
    assert {each["alias"]: each["provider"]["api_key"] for each in models} == {
        "clear": "in the config",
        "sealed": "sealed",
        "hosted": "from the host",
        "filed": "from the host",
    }
    assert {each["provider"]["api_base"] for each in models} == {"http://127.0.0.1:9"}
    said = [each.get("said") for each in parts["logs"]]
    assert "the clock was set by 7200 s" in said
    assert {"frame": "appliance/gateway/relay.py:41 relay"} in parts["logs"]
    assert any("gave no answer" in str(each) for each in said), "the gateway's own log of the calls that failed"
    assert "port" in {each["check"] for each in parts["preflight"][0]["findings"]}
    assert head["searched_for"] >= 4


def test_the_first_line_tells_what_the_others_are(written: Path) -> None:
    head, parts = records(written)
    assert (head["kind"], head["schema"]) == ("ao-support-bundle", 1)
    lines = written.read_bytes().split(b"\n")[1:-1]
    for each in head["parts"]:
        own = b"".join(line + b"\n" for line in lines if json.loads(line)["part"] == each["part"])
        assert (each["bytes"], each["sha256"]) == (len(own), hashlib.sha256(own).hexdigest())
        assert each["records"] == len(parts[each["part"]])
    left = {name for each in head["parts"] for name in each["left_out"]}
    assert {"name", "licence.sentence"} <= left
    assert any("lines, or the words of lines" in each for each in left)


def test_it_is_the_owners_alone_and_nothing_is_written_over(site: Supported, written: Path) -> None:
    assert written.stat().st_mode & 0o777 == 0o600
    other = site.folder / "there.jsonl"
    other.write_text("mine")
    done = site.bundle("--out", str(other), "--yes", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (58, "media_already_there")
    assert other.read_text() == "mine"


def test_without_consent_nothing_is_written(site: Supported) -> None:
    before = {each.name for each in site.folder.iterdir()}
    asked = site.bundle("--json", "--without", "logs", "--without", "config")
    assert asked.returncode == 1
    assert json.loads(asked.stdout)["written"] is None
    kept = [each for each in PARTS if each not in ("logs", "config")]
    assert [each["part"] for each in json.loads(asked.stdout)["parts"]] == kept
    left = site.bundle()
    assert left.returncode == 1
    assert "What would leave this host:" in left.stdout
    assert "stays here: licence.sentence" in left.stdout
    assert {each.name for each in site.folder.iterdir()} == before


def test_a_secret_that_slips_through_keeps_everything(site: Supported) -> None:
    """A secret of this host that has the form of a name, and stands where a name may stand."""
    (site.folder / "credentials" / "ODD").write_text("openai-compatible\n")
    try:
        out = site.folder / "never.jsonl"
        done = site.bundle("--out", str(out), "--yes", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (124, "secret_in_bundle")
        told = json.loads(done.stdout)["error"]["message"]
        assert "the secret in" in told
        assert "openai-compatible" not in told
        assert not out.exists()
    finally:
        (site.folder / "credentials" / "ODD").unlink()


def test_an_unknown_part_is_told(site: Supported) -> None:
    wrong = site.bundle("--without", "everything", "--json")
    assert (wrong.returncode, json.loads(wrong.stdout)["error"]["code"]) == (121, "answer_refused")


def test_where_nothing_is_installed_it_still_tells_of_the_host(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.installer.commands", "support-bundle", "--ao", str(AO), "--show"]
    words += ["--state-dir", str(tmp_path / "none"), "--settings", str(tmp_path / "none.toml")]
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    assert list(tmp_path.iterdir()) == [], "what is shown is not written"
    shown = tmp_path / "shown"
    shown.write_text(done.stdout)
    _, parts = records(shown)
    assert parts["status"] == [{"refused": "not_initialised", "exit_code": 40}]
    assert parts["system"][0]["kernel"] == os.uname().release


def test_the_same_parts_give_the_same_bytes_and_too_much_costs_the_oldest() -> None:
    def made() -> Bundle:
        part = Part("logs", "what", [{"said": "x" * 1000, "number": number} for number in range(6000)])
        return Bundle("2026-11-28T08:00:00Z", "0.1.0", (within_limits(part),), 3)

    first = made()
    assert first.to_bytes() == made().to_bytes()
    (part,) = first.parts
    assert len(part.lines) <= 4 * 2**20
    assert part.cut == 6000 - len(part.records) > 0
    assert part.records[-1]["number"] == 5999
