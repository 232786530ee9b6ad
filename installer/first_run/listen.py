"""The second step: where the gateway listens, an address of this host and a port."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from installer.errors import AnswerRefused
from installer.first_run.conversation import Conversation
from installer.first_run.settings_file import lines_of, put_members, read_settings
from installer.first_run.step import Act, Here
from installer.preflight.findings import Verdict
from installer.preflight.gather import HostFiles
from installer.preflight.gather.listening import try_to_listen
from installer.preflight.judge.network import judge
from licensing.shown import shown

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 8080


class ListenStep:
    name = "listen"
    title = "Where the gateway listens"
    asks = ("listen.host", "listen.port")

    def done(self, here: Here) -> str | None:
        settings = read_settings(here.settings)
        host = settings.get("host", LOOPBACK)
        # The installation writes an address for this host alone where nothing else was answered: that is to be asked.
        if host == LOOPBACK:
            return None
        return f"It listens on {shown(str(host))}, port {settings.get('port', PORT)}."

    def ask(self, here: Here, talk: Conversation) -> Act:
        talk.say(
            "127.0.0.1 serves programs on this host alone; 0.0.0.0 serves everybody who can reach it; an address of "
            "this host serves one of its networks."
        )
        settings = read_settings(here.settings)
        was = str(settings.get("host", LOOPBACK)), int(settings.get("port", PORT))
        # What serves there already is this site's own gateway, and no obstacle to itself.
        serving = was if here.status and here.status["running_since"] else None
        host = talk.ask("listen.host", "Listen address", lambda typed: check_host(typed, here.files), default=was[0])
        port = talk.ask(
            "listen.port",
            "Port",
            lambda typed: check_port(typed, host, here.files, serving=serving),
            default=str(was[1]),
        )
        for warning in _findings(host, port, here.files, Verdict.WARN):
            talk.say(f"  Note: {warning}")
        asked: dict[str, str | int] = {"host": host, "port": port}
        changed = {name: value for name, value in asked.items() if settings.get(name) != value}
        if not changed:
            return Act(["nothing: it is so already"], lambda: [f"It stays with {host}, port {port}."])
        return Act([f"{here.settings}: {line}" for line in lines_of(changed)], lambda: put_members(here, changed))


def check_host(typed: str, files: HostFiles) -> str:
    """An address of this host; a name would have to be looked up, and may mean another host tomorrow."""
    try:
        host = str(ipaddress.ip_address(typed.strip("[]")))
    except ValueError as error:
        raise AnswerRefused(
            f"{shown(typed, 70)!r} is no address.",
            where="listen.host",
            remedy="Give one in numbers, for example 0.0.0.0 or 10.0.0.5; `ip address` lists this host's.",
        ) from error
    if try_to_listen(host, 0, files).fault in ("not ours", "other"):
        raise AnswerRefused(
            f"This host has no address {host}.", where="listen.host", remedy="Choose one that `ip address` lists."
        )
    return host


def check_port(typed: str, host: str, files: HostFiles, *, serving: tuple[str, int] | None = None) -> int:
    """A port that can be listened on at this very moment; or where this site's own gateway does."""
    if not (typed.isascii() and typed.isdecimal() and 1 <= int(typed) <= 65535):
        raise AnswerRefused(f"{shown(typed, 20)!r} is no port.", where="listen.port", remedy="A number up to 65535.")
    if (host, int(typed)) == serving:
        return int(typed)
    for fault in _findings(host, int(typed), files, Verdict.FAIL):
        raise AnswerRefused(f"{host}, port {typed}: {fault}", where="listen.port", remedy="Choose another.")
    return int(typed)


def _findings(host: str, port: int, files: HostFiles, verdict: Verdict) -> Sequence[str]:
    found = judge(try_to_listen(host, port, files))
    return [f"{each.seen} {each.remedy}" for each in found if each.verdict is verdict]
