"""The installer's own commands share one face: help with an example, `--json`, exit codes of their own."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from appliance.cli.main import main as appliance
from installer import errors
from installer.cli import add_to
from installer.errors import InstallerError
from tests.appliance.cli.commands import commands
from tests.installer.commands import main

MINE = ("preflight", "setup", "support-bundle")


@pytest.mark.parametrize("name", MINE)
def test_a_command_has_help_with_an_example_that_parses(name: str) -> None:
    said = CliRunner().invoke(main, [name, "--help"])
    assert said.exit_code == 0
    example = re.search(r"Example:\n +ao (.+)", said.stdout)
    assert example
    words = shlex.split(example.group(1))
    assert words[0] == name
    main.commands[name].make_context(name, words[1:])


@pytest.mark.parametrize("name", MINE)
def test_an_unknown_option_is_a_wrong_use_and_json_is_offered(name: str) -> None:
    assert CliRunner().invoke(main, [name, "--no-such-option"]).exit_code == 2
    assert "--json" in {opt for each in main.commands[name].params for opt in each.opts}


def test_a_refusal_is_one_sentence_a_remedy_and_a_code(tmp_path: Path) -> None:
    words = ["setup", "--answers", str(tmp_path / "none.toml")]
    plain, data = CliRunner().invoke(main, words), CliRunner().invoke(main, [*words, "--json"])
    first, second = plain.stderr.splitlines()
    assert re.fullmatch(r"ao: .+[.] \[[a-z_]+\]", first)
    assert second.startswith("    ")
    error = json.loads(data.stdout)["error"]
    assert f"[{error['code']}]" in first
    assert plain.exit_code == data.exit_code == 53


def test_no_command_of_the_installer_has_the_name_of_one_of_the_appliances() -> None:
    group = click.Group("ao")
    add_to(group)
    own = {name for name in commands() if " " not in name} | {name.split(" ")[0] for name in commands()}
    assert set(MINE) <= set(group.commands)
    assert not set(group.commands) & own
    assert own <= set(appliance.commands)


def test_each_refusal_has_a_code_and_an_exit_code_of_its_own_and_stands_in_the_tree() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, InstallerError)]
    told = [each for each in kinds if each.__name__ != "ReleaseRefused"]
    assert len({each.exit_code for each in told}) == len({each.code for each in told}) == len(told)
    assert all(110 <= each.exit_code <= 129 for each in told)
    assert all(each.__name__ in (errors.__doc__ or "") for each in kinds)
