"""Tries: text in genuine documents that a terminal or a printer acts upon, or that reads otherwise than it is."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.appliance.papers import config_bytes
from tests.attacks.media.hostile_stick import AO, Stick, assert_harmless, make_stick, said_by

FIELDS = {
    "a model that reads backwards": r'model: "eman-ledom\u202egpj.exe"',
    "a model of nothing to see": r'model: "\u200b\u2060\u3164"',
    "a model that isolates": r'model: "\u2066x\u2069"',
    "a model with another line": r'model: "x\nConfig 1 was already in force."',
    "an address that reads backwards": r'api_base: "http://host\u202e.elpmaxe:8000/v1"',
}


def spoilt(stick: Stick, field: str) -> None:
    lines = {"name": "openai-compatible", "model": "m", "api_base": "http://127.0.0.1:1/v1"}
    key, _, value = field.partition(": ")
    provider = "".join(f"      {name}: {text}\n" for name, text in (lines | {key: value}).items())
    text = f"models:\n  - alias: chat\n    provider:\n{provider}"
    (stick.inbox / "config.yaml.signed").write_bytes(config_bytes(text, serial=1, now=stick.now))


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS.keys())
def test_a_plan_is_shown_without_it(tmp_path: Path, field: str) -> None:
    stick = make_stick(tmp_path)
    (stick.path / "later").mkdir()
    (stick.inbox / "config.yaml.signed").rename(stick.path / "later" / "config")
    assert said_by(stick, "import", "--yes")[0] == 0
    spoilt(stick, field)
    exit_code, said = said_by(stick, "inspect")
    assert exit_code == 0
    assert said.count("already in force") <= 2
    assert "\\" in said, "what was there is shown as an escape"


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS.keys())
def test_what_a_person_is_asked_on_a_terminal_is_harmless_too(tmp_path: Path, field: str) -> None:
    """On a terminal of its own, where the progress line and the questions are."""
    stick = make_stick(tmp_path)
    spoilt(stick, field)
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [AO, "media", "exchange", stick.path, "--state-dir", stick.state],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    ) as command:
        os.close(follower)
        os.write(leader, b"y\ny\ny\n")
        said = b""
        while chunk := _read(leader):
            said += chunk
    os.close(leader)
    text = said.decode("utf-8").replace("\r", "").replace("\x1b[K", "")
    assert_harmless(text)
    assert "Agreed?" in text
    assert "safe to remove" in text
    assert command.returncode == 0
    for sheet in stick.outbox.glob("transfer-*"):
        assert_harmless(sheet.read_text().replace("\r", ""))


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # the other end is closed
        return b""
