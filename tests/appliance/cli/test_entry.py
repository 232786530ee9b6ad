"""A command that is started alone is the one that it is among all."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from appliance.cli.entry import ALONE, group_for
from appliance.cli.main import main
from tests.appliance.cli.commands import commands


@pytest.mark.parametrize("name", sorted(ALONE))
def test_it_has_the_same_commands_with_the_same_options(name: str) -> None:
    alone = group_for([name])
    assert name in alone.commands
    assert alone.context_settings == main.context_settings
    assert of(name, alone) == of(name, main)


def of(name: str, group: click.Group) -> dict[str, object]:
    return {words: told(each) for words, each in commands(group).items() if words.split()[0] == name}


def told(command: click.Command) -> object:
    return command.help, [(each.name, each.opts, each.required) for each in command.params]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["init"], ["no-such-command"]])
def test_whatever_else_is_asked_of_them_all(arguments: list[str]) -> None:
    assert group_for(arguments) is main


def test_it_does_not_load_what_other_commands_need() -> None:
    code = (
        "import sys\nfrom appliance.cli.entry import group_for\ngroup_for(['state'])\n"
        "print(*(each for each in sys.modules if each.startswith('appliance.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"appliance.cli.entry", "appliance.cli.face", "appliance.cli.state"}
