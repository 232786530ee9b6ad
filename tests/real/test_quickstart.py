"""`ao quickstart`: one command from nothing to an answer, and again to go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.real.model_server import model_server
from tests.real.processes import Process, free_port, program_environment, wait_until
from tests.real.site_and_vendor import PROGRAMS, Site, first_line

pytestmark = pytest.mark.real


@contextmanager
def quickstart(folder: Path, port: int, *options: str) -> Iterator[Process]:
    command = [str(PROGRAMS / "ao"), "quickstart", "--dir", str(folder), "--port", str(port), *options]
    with Process.started(command, folder.with_suffix(f".{os.urandom(4).hex()}.log")) as process:
        yield process


def stop(process: Process) -> None:
    """As Ctrl-C does."""
    process.popen.send_signal(signal.SIGINT)
    assert process.popen.wait(timeout=20) == 0, process.said()


def answer_of(facts: dict[str, Any], model: str = "") -> Any:
    with openai.OpenAI(base_url=facts["base_url"], api_key=facts["key"], max_retries=0) as client:
        return client.chat.completions.create(
            model=model or facts["model"], messages=[{"role": "user", "content": "Hello"}], max_tokens=8
        )


def providers_of(folder: Path) -> list[str]:
    """Which provider answered each exchange, oldest first."""
    ledger = Site("quickstart-site", folder / "state", folder / "media").ledger()
    return [row["provider"] for _, row in sorted(ledger.items())]


def test_it_serves_and_goes_on_with_the_same_key_and_state(tmp_path: Path) -> None:
    folder, port = tmp_path / "start", free_port()
    with quickstart(folder, port, "--json") as process:
        first = first_line(process)
        assert first["base_url"] == f"http://127.0.0.1:{port}/v1"
        assert "demonstration model" in answer_of(first).choices[0].message.content
        stop(process)
    site = Site("quickstart-site", folder / "state", folder / "media")
    before = site.tables(without=("runs", "time_floor"))
    with quickstart(folder, port, "--json") as process:
        second = first_line(process)
        assert second == first
        assert site.tables(without=("runs", "time_floor")) == before
        answer_of(second)
        stop(process)
    assert providers_of(folder) == ["demo", "demo"]
    assert len(site.ao("keys", "list")["keys"]) == 1
    status = site.ao("status")
    assert (status["licence"]["rung"], status["config"]["serial"]) == ("valid", 1)
    assert folder.stat().st_mode & 0o077 == 0


def test_the_line_that_it_prints_can_be_pasted(tmp_path: Path) -> None:
    """The welcome's curl command is run by a shell, exactly as printed."""
    with quickstart(tmp_path / "start", free_port()) as process:
        wait_until(lambda: "Stop with Ctrl-C." in process.log.read_text(), "it says that it serves", seconds=30)
        lines = process.log.read_text().splitlines()
        start = next(number for number, line in enumerate(lines) if line.strip().startswith("curl "))
        pasted = "\n".join(lines[start : start + 2])
        done = subprocess.run(
            ["sh", "-c", pasted], check=False, capture_output=True, timeout=20, env=program_environment()
        )
        assert done.returncode == 0, done.stderr
        reply = json.loads(done.stdout)
        assert "demonstration model" in reply["choices"][0]["message"]["content"]
        stop(process)


def test_the_whole_welcome_can_be_pasted(tmp_path: Path) -> None:
    """Every command that the welcome names for usage, from status to receipt, in its order."""
    with quickstart(tmp_path / "start", free_port(), "--json") as process:
        answer_of(first_line(process))
        stop(process)
    with quickstart(tmp_path / "start", free_port()) as process:
        wait_until(lambda: "Stop with Ctrl-C." in process.log.read_text(), "it says that it serves", seconds=30)
        lines = process.log.read_text().splitlines()
        start = next(number for number, line in enumerate(lines) if "usage leave and come back" in line) + 1
        end = next(number for number, line in enumerate(lines) if "Stop with Ctrl-C." in line)
        pasted = "set -e\n" + "\n".join(lines[start:end])
        path = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-c", pasted], check=False, capture_output=True, text=True, timeout=60, env=program_environment(path)
        )
        assert done.returncode == 0, done
        assert "Usage is acknowledged up to " in done.stdout
        stop(process)


def test_a_real_server_answers_first_and_the_demonstration_takes_over(tmp_path: Path) -> None:
    folder, server_port = tmp_path / "start", free_port()
    upstream = ("--upstream", f"http://127.0.0.1:{server_port}/v1", "--upstream-model", "tiny", "--json")
    with quickstart(folder, free_port(), *upstream) as process:
        facts = first_line(process)
        with model_server(tmp_path, port=server_port):
            real = answer_of(facts)
            assert "demonstration model" not in real.choices[0].message.content
            assert real.usage.completion_tokens <= 8
        fallback = answer_of(facts)
        assert "demonstration model" in fallback.choices[0].message.content
        with model_server(tmp_path, port=server_port):
            assert "demonstration model" not in answer_of(facts).choices[0].message.content
        stop(process)
    assert providers_of(folder) == ["openai-compatible", "demo", "openai-compatible"]
