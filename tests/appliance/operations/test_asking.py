"""Every operation and every command asks whether whoever acts may do it: who holds nothing is refused by all of them,
before anything is looked at or changed. What is walked is the code itself: one that is added is tried here at once."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import pkgutil
import shlex
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import appliance.operations
from appliance.access.authorise import Principal
from appliance.access.kept_caps import Place
from appliance.errors import NotPermitted
from appliance.operations.keys import create_key
from appliance.operations.media_import import Desk
from appliance.state.site import Site, open_site
from tests.appliance.cli.commands import ao, commands
from tests.appliance.papers import NOW, entropy, licence_bytes
from tests.appliance.sites import licensed_site, no_secrets

NOBODY = Principal("nobody", (), "10.9.8.7")
AT_CONSOLE = Principal("nobody", ())

NO_SITE: Mapping[str, str] = {
    "audit.verify_export": "It checks a file that somebody has against a key that they name, on any machine.",
    "backup_outside.outside_of": "It names places on this host, and opens none of them.",
    "config_seal.seal_config": "It seals a value to a site whose request is at hand, on any machine.",
    "key_import.find_keys": "It reads another gateway's export; taking over what it holds is asked for.",
    "key_import.find_keys_in": "It reads another gateway's export; taking over what it holds is asked for.",
    "media_watch.holds_something_for": "It looks at a medium.",
    "media_watch.until_mounts_change": "It waits.",
    "media_watch.watch": "It waits for media; what is done with one is asked for, each time.",
    "needs.needs": "It is what asks.",
    "officer.create_officer_key": "An officer's key is the officer's own, on a machine of their choosing.",
    "officer.prepare_to_cosign": "It reads a paper; an officer's signature is made with the officer's key.",
    "officer.prepare_to_sign": "It reads a paper; an officer's signature is made with the officer's key.",
    "officer.require_free": "It looks whether a file is there.",
    "officer.show_officer_key": "It shows the public half of a key file that somebody has.",
    "officer.sign_paper": "It needs the officer's key and passphrase.",
    "providers.as_data": "The catalogue is public.",
    "providers.list_providers": "The catalogue is public.",
    "providers.show_provider": "The catalogue is public.",
    "quickstart.config_text": "It writes a text.",
    "quickstart.vendor_command": "It looks for a program.",
    "route.health_of": "It tells the health of deployments in a config that somebody could read already.",
    "transfer_sheet.as_dict": "It tells a sheet that somebody has.",
    "transfer_sheet.as_json": "It tells a sheet that somebody has.",
    "transfer_sheet.sheet_lines": "It tells a sheet that somebody has.",
    "transfer_sheet.sheets": "It tells a sheet that somebody has.",
    "usage.check_proof": "It checks a proof that somebody has, on any machine.",
    "usage.key_in_request": "It reads a request that somebody has.",
    "usage.look_into_usage_file": "It reads a file that somebody has, on any machine.",
    "usage.open_usage_file": "It reads a file that somebody has, on any machine.",
    "verify.examine": "It checks a document that somebody has, on any machine.",
}
"""Operations that are given no site and no folder of one, each with what it does instead."""

NOT_ASKING: Mapping[str, str] = {
    "sign_in.change_own_password": "Whoever knows the old password and has a code is that administrator.",
    "sign_in.sign_in": "It is how somebody comes to be somebody.",
    "sign_in.sign_out": "Who has a session may end it: it is named by the token that the call came with.",
    "sign_in.who_calls": "It says what somebody may do.",
    "site.ready_request": "It names a path.",
}
"""Operations on a site that ask for no permission, each with the reason."""

FREE_COMMANDS: Mapping[str, str] = {
    "config cosign": "An officer signs with a key of their own, on any machine.",
    "config seal": "A value is sealed to a site whose request is at hand, on any machine.",
    "config sign": "An officer signs with a key of their own, on any machine.",
    "healthcheck": "The running gateway says whether it lives to whoever reaches it.",
    "media eject": "A medium is the host's.",
    "media list": "Media are the host's.",
    "metrics": "The running gateway shows them to whoever reaches it.",
    "officer new": "An officer's key is the officer's own.",
    "officer show": "An officer's key is the officer's own.",
    "providers list": "The catalogue is public.",
    "providers show": "The catalogue is public.",
    "route presets": "The presets are those of the release.",
}
"""Commands that touch no site, each with the reason."""


def operations() -> dict[str, Callable[..., Any]]:
    """Every public function of the operations, by module and name."""
    found: dict[str, Callable[..., Any]] = {}
    for module in pkgutil.iter_modules(appliance.operations.__path__):
        loaded = importlib.import_module(f"appliance.operations.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            if inspect.unwrap(function).__module__ == loaded.__name__ and not name.startswith("_"):
                found[f"{module.name}.{name}"] = function
    return found


def about_a_site(function: Callable[..., Any]) -> bool:
    return bool({"Site", "Desk", "Principal"} & {str(each.annotation) for each in _parameters(function)})


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


OPERATIONS = operations()
ASKING = sorted(name for name, each in OPERATIONS.items() if about_a_site(each) and name not in NOT_ASKING)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a site in full use; no test here may leave a trace in it."""
    state = tmp_path_factory.mktemp("asking") / "state"
    with closing(licensed_site(state)) as site:
        create_key(
            site, name="billing-bot", org="bank", team="cards", expires_at=None, now=NOW, entropy=entropy("key", 32)
        )
    return state


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    with closing(open_site(folder, by=NOBODY)) as opened:
        yield opened


def fingerprint(folder: Path) -> dict[str, str]:
    """Every row of the database and every byte of every other file beside it."""
    found = {}
    with closing(sqlite3.connect(folder / "ao.db")) as database:
        rows = "\n".join(database.iterdump()).encode()
        found["ao.db"] = hashlib.sha256(rows).hexdigest()
    for file in sorted(folder.parent.rglob("*")):
        if file.is_file() and not file.name.startswith("ao.db"):
            found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def test_each_operation_is_known_to_ask_or_known_not_to_need_to() -> None:
    without = {name for name, each in OPERATIONS.items() if not about_a_site(each)}
    assert without == set(NO_SITE)
    assert set(NOT_ASKING) <= set(OPERATIONS)
    assert len(ASKING) > 80
    assert all(reason.endswith(".") for reason in (*NO_SITE.values(), *NOT_ASKING.values(), *FREE_COMMANDS.values()))


@pytest.mark.parametrize("name", ASKING)
def test_an_operation_refuses_whoever_holds_nothing_and_leaves_all_as_it_was(
    name: str, site: Site, folder: Path
) -> None:
    before = fingerprint(folder)
    given: dict[str, Any] = {"Site": site, "Desk": Desk(site, no_secrets, NOW, b""), "Principal": NOBODY}
    given["Place"] = Place("team", "bank", "cards")
    positional, named = [], {}
    for each in _parameters(OPERATIONS[name]):
        # What is no argument of that kind shows that nothing is done with it before it is asked.
        value = given.get(str(each.annotation), folder if each.name == "folder" else "billing-bot")
        if each.kind is inspect.Parameter.KEYWORD_ONLY:
            if each.default is inspect.Parameter.empty:
                named[each.name] = value
        elif each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and each.default is inspect.Parameter.empty:
            positional.append(value)
    with pytest.raises(NotPermitted, match="nobody may not"):
        OPERATIONS[name](*positional, **named)
    assert fingerprint(folder) == before


COMMANDS = commands()


def example(name: str, given: Path) -> list[str]:
    """What the command's own help gives as its example, with files that are there where it reads them first."""
    line = (COMMANDS[name].help or "").split("Example:\n", 1)[1].strip().splitlines()[0]
    words = [word.replace("/media/usb", str(given)) for word in shlex.split(line)[1:]]
    read_first = {
        "admins create": ["--password-file", str(given / "secret")],
        "backup": ["--passphrase-file", str(given / "secret")],
    }
    words = [str(given / word) if (given / word).exists() else word for word in words]
    if name == "verify":  # with a trust of its own it is the same on any machine; without, it looks at this site's
        words = words[: words.index("--trust")]
    return [*words, *read_first.get(name, [])]


@pytest.fixture(scope="module")
def given(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("given")
    (there / "secret").write_text("four words quite apart")
    (there / "secret").chmod(0o600)
    (there / "litellm-keys.json").write_text(json.dumps({"keys": [{"token": "0" * 64, "key_name": "sk-...a"}]}))
    (there / "licence.json").write_bytes(licence_bytes(key="0" * 64, epoch=1, now=NOW))
    return there


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - set(FREE_COMMANDS)))
def test_a_command_refuses_whoever_holds_nothing_and_leaves_all_as_it_was(
    name: str, folder: Path, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = fingerprint(folder)
    with patch("appliance.cli.face.at_console", lambda: AT_CONSOLE):
        said = ao(*example(name, given), "--json", state=folder)
    assert '"not_permitted"' in said.out, (said.out, said.err, said.fault)
    assert said.code == NotPermitted.exit_code
    assert list(tmp_path.iterdir()) == []
    assert fingerprint(folder) == before


def test_the_commands_that_touch_no_site_are_there() -> None:
    assert set(FREE_COMMANDS) <= set(COMMANDS)
