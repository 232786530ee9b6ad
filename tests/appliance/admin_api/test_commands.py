"""Every command of `ao` has its route, or a reason to have none."""

from __future__ import annotations

from collections.abc import Iterator

import click

from appliance.cli.main import main
from tests.appliance.admin_api.examples import ROUTES

HOST_ONLY = {
    "init": "There is no API before there is a site.",
    "quickstart": "It makes a site.",
    "serve": "It is what the API runs beside.",
    "install": "It puts on a host what the API is part of.",
    "setup": "It makes the site, and its first administrator.",
    "preflight": "It looks at the host, as its root.",
    "units": "They are the host's own.",
    "upgrade": "It changes the release under the API, as the host's root.",
    "rollback": "It changes the release under the API, as the host's root.",
    "uninstall": "It takes away what the API is part of.",
    "support-bundle": "It reads the host's own logs, as its root; a person agrees to its list.",
    "backup": "It writes this site's keys, encrypted, where the host says.",
    "restore": "It takes an empty state folder, that is, no site.",
    "ledger check": "Where it is asked for, the database may not carry an API.",
    "ledger rebuild": "Nothing may run on the state meanwhile.",
    "media list": "Media are plugged in at the host.",
    "media inspect": "Media are plugged in at the host.",
    "media import": "Media are plugged in at the host; documents come in by their own routes.",
    "media export": "Media are plugged in at the host; files go out by their own routes.",
    "media exchange": "Media are plugged in at the host.",
    "media eject": "Media are plugged in at the host.",
    "media watch": "Media are plugged in at the host.",
    "officer new": "An officer's key is made on the officer's machine.",
    "officer show": "An officer's key is on the officer's machine.",
    "config sign": "An officer's key is on the officer's machine.",
    "config cosign": "An officer's key is on the officer's machine.",
    "config seal": "It needs no site, and its text holds keys in clear.",
    "verify": "It is for files that somebody has, on any machine.",
    "usage check-proof": "It needs no site: whoever has file and proof checks it themselves.",
    "state check": "The installer asks it of a release that is not serving yet.",
    "state copy": "The installer asks it before it changes releases.",
    "state return": "The installer asks it while nothing serves.",
    "state schema": "The installer asks it of a release that is not serving yet.",
    "tls init-ca": "An authority's key is made where whoever keeps it says.",
    "tls issue": "An authority's key is opened where it lies.",
    "tls revoke": "An authority's key is opened where it lies.",
    "tls import": "Its files are the host's; GET /status tells until when the certificate holds.",
    "tls self-signed": "Its fingerprint is read at the host, and not over what it is to protect.",
    "tls show": "GET /status tells until when it holds; the rest is in every handshake.",
    "tls reload": "It takes up files of the host's own.",
    "metrics": "GET /metrics of the gateway tells it.",
}


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[str]:
    for name, each in group.commands.items():
        if isinstance(each, click.Group):
            yield from commands(each, (*before, name))
        else:
            yield " ".join((*before, name))


def test_every_command_has_its_route_or_a_reason() -> None:
    known = set(commands(main))
    routed = {command for route in ROUTES for command in route.commands}
    assert routed - known == set(), "a route is the twin of a command that is gone"
    assert set(HOST_ONLY) - known == set(), "a reason for a command that is gone"
    assert known - routed - set(HOST_ONLY) == set(), "a command with neither route nor reason"
    assert routed & set(HOST_ONLY) == set()
