"""What all commands share: help with an example, `--json`, and refusals that look alike."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from tests.appliance.cli.commands import ao, commands, groups

COMMANDS = commands()
SIGN = ["/nowhere/config.yaml", "--site", "x-site", "--serial", "1", "--key", "/nowhere/key", "--out", "/nowhere/out"]
WORDS = {
    "config sign": SIGN,
    "init": ["--site", "x-site", "--name", "x", "--trust", "/nowhere/trust.json"],
    "keys change": ["x", "--team", "y"],
    "keys create": ["--name", "x"],
    "keys import": ["/nowhere/file.json", "--as", "litellm"],
    "keys revoke": ["x", "--yes"],
    "roles limit": ["x", "--from-anywhere"],
    "webhooks retry": ["--all"],
    "quickstart": ["--dir", "/proc/nowhere"],
}
"""Arguments for those that need others than a file that is not there."""

ANYWHERE = {"media list", "media eject", "providers list", "route presets", "state schema"}
REFUSING = [name for name in COMMANDS if name not in ANYWHERE]
"""Those that refuse where there is no site. Media, the catalogue, the presets and the schema can be asked anywhere."""


def arguments(name: str) -> list[str]:
    if name in WORDS:
        return WORDS[name]
    needed: list[str] = []
    for each in COMMANDS[name].params:
        if each.required:
            needed += (
                ["/nowhere/file.json"] if isinstance(each, click.Argument) else [each.opts[0], "/nowhere/file.json"]
            )
    return needed


def test_the_tree_is_the_one_that_is_known() -> None:
    known = {"init", "serve", "status", "site request", "licence import", "licence show", "licence verify"}
    known |= {"config import", "config diff", "config show", "keys create", "keys list", "keys revoke"}
    known |= {"config sign", "config cosign", "officer new", "officer show"}
    known |= {"usage show", "usage seal", "usage export", "receipt import", "quickstart"}
    assert known <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_that_parses(name: str) -> None:
    said = ao(*name.split(), "--help")
    assert said.code == 0
    example = re.search(r"Example:\n +(ao .+)", said.out)
    assert example, said.out
    words = shlex.split(example.group(1))
    assert words[1 : 1 + len(name.split())] == name.split()
    COMMANDS[name].make_context(name, words[1 + len(name.split()) :], resilient_parsing=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_or_named_for_what_it_is(name: str) -> None:
    help_text = COMMANDS[name].help or ""
    assert len(help_text.split("\n")[0]) > 15
    assert {"--json", "--state-dir", "--settings"} <= {opt for each in COMMANDS[name].params for opt in each.opts}


@pytest.mark.parametrize("name", [name for name in groups() if name])
def test_every_group_says_what_it_is_about(name: str) -> None:
    said = ao(*name.split(), "--help")
    assert said.code == 0
    assert groups()[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_is_a_wrong_use(name: str) -> None:
    said = ao(*name.split(), "--no-such-option")
    assert said.code == 2
    assert said.out == ""
    assert "no-such-option" in said.err


@pytest.mark.parametrize("name", REFUSING)
def test_a_refusal_is_one_sentence_a_remedy_and_a_code(name: str, tmp_path: Path) -> None:
    said = ao(*name.split(), *arguments(name), state=tmp_path / "nothing")
    assert said.fault is None
    assert said.code >= 20
    assert said.out == ""
    first, second, *rest = said.err.splitlines()
    assert rest == []
    assert re.fullmatch(r"ao: .+[.] \[[a-z_]+\]", first)
    assert re.fullmatch(r"    \S.+", second)


@pytest.mark.parametrize("name", REFUSING)
def test_a_refusal_in_json_is_on_standard_output(name: str, tmp_path: Path) -> None:
    said = ao(*name.split(), *arguments(name), "--json", state=tmp_path / "nothing")
    assert said.fault is None
    assert said.err == ""
    error = json.loads(said.out)["error"]
    assert {"code", "message", "remedy"} <= set(error)
    plain = ao(*name.split(), *arguments(name), state=tmp_path / "nothing")
    assert f"[{error['code']}]" in plain.err
    assert plain.code == said.code


def test_help_is_there_for_the_whole_and_shortly() -> None:
    assert ao("--help").code == ao("-h").code == 0
    assert ao("--version").out.startswith("ao, version ")
    assert ao("no-such-command").code == 2


def test_settings_that_are_wrong_are_refused_by_every_command(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("prot = 1\n")
    for name in COMMANDS:
        said = ao(*name.split(), *arguments(name), "--settings", str(file))
        assert (said.code, said.fault) == (46, None)
        assert str(file) in said.err
