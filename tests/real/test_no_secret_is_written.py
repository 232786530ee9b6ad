"""Secrets are planted in every way they can come in, and looked for in every byte that the appliance writes."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from appliance.config.sealed import Place, seal
from appliance.operations.config import activate_config, examine_bytes
from appliance.state.site import open_site
from tests.appliance.gateway.upstreams import WORDS, Upstream
from tests.appliance.gateways import AO, UPSTREAM_KEY, Gateway
from tests.appliance.papers import SITE, config_bytes
from tests.appliance.sites import any_secret

pytestmark = pytest.mark.real

CLEAR = "sk-clear-4f1b7a9d-PLANTED"
SEALED = "sk-sealed-83c2e6f0-PLANTED"
IN_FILE = "sk-file-5d9e1c7b-PLANTED"
PROMPT = "PROMPT-MARKER"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def entry(alias: str, base: str, key: str) -> str:
    provider = f"{{name: openai-compatible, model: m, api_base: {base}, api_key: '{key}'}}"
    return f"  - alias: {alias}\n    provider: {provider}\n"


def spellings(secret: str) -> dict[str, bytes]:
    """As it is, in hexadecimal, in UTF-16, and in base64 wherever in a longer text it stands."""
    raw = secret.encode()
    found = {"raw": raw, "hex": raw.hex().encode(), "utf-16": secret.encode("utf-16-le")}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        found[f"base64+{shift}"] = encoded[4 if shift else 0 : len(encoded) - 4]
    return found


def found_in(folder: Path, secrets: dict[str, str]) -> list[str]:
    return [
        f"{name} ({how}) in {file}"
        for file in sorted(each for each in folder.rglob("*") if each.is_file())
        for data in [file.read_bytes()]
        for name, secret in secrets.items()
        for how, spelt in spellings(secret).items()
        if spelt in data
    ]


def said_by(gateway: Gateway, into: Path) -> None:
    """Everything that commands tell, into files to be searched."""
    asked = (
        ["status", "--json"],
        ["status"],
        ["config", "show"],
        ["config", "history", "--json"],
        ["audit", "list", "--json"],
        ["audit", "export", "--out", str(into / "audit.ndjson")],
        ["usage", "seal", "--now", "--json"],
        ["usage", "export", "--out", str(into), "--all"],
        ["usage", "show", "--json"],
        ["keys", "list", "--json"],
        ["metrics"],
        ["licence", "show", "--json"],
    )
    for number, words in enumerate(asked):
        done = subprocess.run([AO, *words], env=gateway.environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (words, done.stderr)
        (into / f"said-{number}").write_bytes(done.stdout + done.stderr)


def test_a_planted_secret_is_nowhere(tmp_path: Path, upstream: Upstream) -> None:
    base = f"http://127.0.0.1:{upstream.port}"
    gateway = Gateway(tmp_path, "models:\n" + entry("good", f"{base}/good/v1", "${UPSTREAM_KEY}"), workers=2)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "FILE_KEY").write_text(IN_FILE)
    gateway.extra_environment["CREDENTIALS_DIRECTORY"] = str(credentials)
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(open_site(gateway.state)) as site:
        place = Place(SITE, "sealed", "openai-compatible", f"{base}/good/v1")
        text = "models:\n" + entry("good", f"{base}/good/v1", "${UPSTREAM_KEY}")
        text += entry("clear", f"{base}/good/v1", CLEAR)
        text += entry("sealed", f"{base}/good/v1", seal(SEALED, place, site.key.sealing_public))
        text += entry("filed", f"{base}/good/v1", "${FILE_KEY}")
        text += entry("echo", f"{base}/refuses-400/v1", CLEAR)
        data = config_bytes(text, serial=2, now=now)
        activate_config(site, examine_bytes(site, data, any_secret, now), now)
    gateway.start()
    try:
        for alias in ("good", "clear", "sealed", "filed"):
            assert gateway.post(alias).status_code == 200
        sent = {each.headers["authorization"] for each in upstream.received}
        assert sent == {f"Bearer {key}" for key in (UPSTREAM_KEY, CLEAR, SEALED, IN_FILE)}, "or this would show nothing"
        assert gateway.post("echo").status_code >= 400
        assert gateway.post("good", key="ao-wrong-KEY-of-somebody").status_code == 401
        assert gateway.post("no-such-model").status_code == 404
        broken = f'{{"model": "good", "messages": "{PROMPT}"'.encode()
        headers = {"authorization": f"Bearer {gateway.key}"}
        assert httpx.post(f"{gateway.url}/v1/chat/completions", content=broken, headers=headers).status_code == 400
        os.kill(gateway.workers()[0], signal.SIGABRT)
        os.kill(gateway.workers()[-1], signal.SIGKILL)
        time.sleep(2)
        written = tmp_path / "written"
        written.mkdir()
        said_by(gateway, written)
    finally:
        gateway.stop()
    cores = [each for each in Path.cwd().glob("core*") if each.is_file()]
    assert cores == []
    secrets = {
        "the clear key": CLEAR,
        "the sealed key": SEALED,
        "the host's key": UPSTREAM_KEY,
        "the filed key": IN_FILE,
        "the app's key": gateway.key,
        "the prompt": PROMPT,
        "the completion": WORDS,
    }
    control = tmp_path / "control"
    control.mkdir()
    (control / "file").write_bytes(b"x" + base64.b64encode(b"y" + CLEAR.encode() + b"z") + SEALED.encode("utf-16-le"))
    assert len(found_in(control, secrets)) == 2
    for folder in (gateway.state, written):
        assert found_in(folder, secrets) == []
    planted = [*found_in(credentials, secrets), *found_in(control, secrets)]
    assert sorted(found_in(tmp_path, secrets)) == sorted(planted), "in a log, or where nobody looked"
