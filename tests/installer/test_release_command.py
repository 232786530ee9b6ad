"""The release is asked as the owner of its state, and what it says is understood or refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from installer.errors import ReleaseRefused, ReleaseUnusable
from installer.release_command import ReleaseCommand
from tests.installer.reachable import reachable


def release(folder: Path, script: str, **environment: str) -> ReleaseCommand:
    program, state = folder / "ao", folder / "state"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    state.mkdir(exist_ok=True)
    return ReleaseCommand(program, state, None, {"PATH": os.environ["PATH"], **environment})


def test_an_answer_is_json_with_its_exit_code(tmp_path: Path) -> None:
    told = release(tmp_path, 'echo "{\\"said\\": \\"$*\\"}"; exit 23').ask("status")
    assert told.exit_code == 23
    assert told.data == {"said": f"status --json --state-dir {tmp_path / 'state'}"}


def test_a_refusal_keeps_its_code_sentence_and_exit_code(tmp_path: Path) -> None:
    script = (
        """echo '{"error": {"code": "state_damaged", "message": "It is.", "remedy": "Do.", "where": "x"}}'; exit 43"""
    )
    with pytest.raises(ReleaseRefused) as caught:
        release(tmp_path, script).ask("status")
    assert (caught.value.code, caught.value.exit_code) == ("state_damaged", 43)
    assert str(caught.value) == "x: It is."
    assert caught.value.remedy == "Do."


@pytest.mark.parametrize("script", ["echo nonsense", "true", "echo '[1]'", "echo fault >&2; exit 1"])
def test_what_cannot_be_understood_is_refused(tmp_path: Path, script: str) -> None:
    with pytest.raises(ReleaseUnusable):
        release(tmp_path, script).ask("status")


def test_it_is_given_only_what_it_needs_of_the_environment(tmp_path: Path) -> None:
    asked = release(
        tmp_path, 'echo "{\\"has\\": \\"$PYTHONPATH$LD_PRELOAD$AO_SETTINGS\\"}"', PYTHONPATH="/x", LD_PRELOAD=""
    )
    assert asked.ask("status").data == {"has": ""}


def test_a_secret_is_typed_and_no_argument(tmp_path: Path) -> None:
    told = release(tmp_path, 'read typed; echo "{\\"typed\\": \\"$typed\\", \\"words\\": \\"$*\\"}"').ask(
        "x", typed=b"word\n"
    )
    assert told.data["typed"] == "word"
    assert "word\n" not in told.data["words"]


def test_as_root_it_is_asked_as_the_owner_of_the_state(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    asked = release(tmp_path, 'echo "{\\"user\\": \\"$(id -u):$(id -g):$(id -G)\\"}"')
    assert asked.ask("status").data == {"user": "0:0:0"} or asked.ask("status").data["user"].startswith("0:0:")
    reachable(tmp_path)
    os.chown(asked.state_dir, 65534, 65533)
    assert asked.ask("status").data == {"user": "65534:65533:65533"}
    file = tmp_path / "file"
    file.touch()
    asked.hand_over(file)
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65533)
