"""The third step: by what the gateway proves to its clients that it is the one.

A site with an authority of its own brings files. One without has one made here, or a certificate that vouches for
itself. Where nobody is there to choose and the answers say nothing, the gateway stays with plain HTTP, and it is told.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from installer.errors import AnswerRefused
from installer.first_run.conversation import Conversation
from installer.first_run.listen import LOOPBACK
from installer.first_run.settings_file import put_members, read_settings
from installer.first_run.step import Act, Here
from licensing.shown import shown

OWN_CA, FILES, SELF_SIGNED, NONE = "own-ca", "files", "self-signed", "none"
WAYS: Final = {
    OWN_CA: "make an authority of this site's own, and have it sign (clients are given one file, once)",
    FILES: "files that you have: a certificate with its signers, and its key",
    SELF_SIGNED: "one that vouches for itself (each client compares its fingerprint)",
    NONE: "none: plain HTTP, for programs on this host or a proxy before it",
}
CA_FOLDER: Final = "ca"
"""Beside the settings file, root's alone: the gateway's own user cannot sign."""
_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


class CertificateStep:
    name = "certificate"
    changes_status = True
    title = "The gateway's certificate"
    asks = ("certificate.from", "certificate.names", "certificate.file", "certificate.key")

    def done(self, here: Here) -> str | None:
        file = read_settings(here.settings).get("tls_certificate")
        return f"It speaks TLS, with {shown(str(file))}." if file else None

    def ask(self, here: Here, talk: Conversation) -> Act | None:
        if not here.has_certificates:
            talk.say("This release speaks plain HTTP: put a proxy with a certificate before it.")
            return None
        host = str(read_settings(here.settings).get("host", LOOPBACK))
        default = NONE if talk.unattended or host == LOOPBACK else OWN_CA
        way = talk.choose("certificate.from", "From where does the certificate come?", WAYS, default=default)
        if way == NONE:
            talk.say("It speaks plain HTTP. A certificate can be put in place at any time: ao tls --help.")
            return None
        if way == FILES:
            certificate = talk.ask("certificate.file", "Certificate, with its signers after it (PEM)", check_file)
            key = talk.ask("certificate.key", "Its key (PEM, not encrypted)", check_file)
            return Act(
                [f"ao tls import {certificate} {key}"],
                lambda: _place(here, ("tls", "import", str(certificate), str(key))),
            )
        talk.say("By which names and addresses do clients reach it? As in: gateway.bank.internal 10.0.0.5")
        names = talk.ask("certificate.names", "Names", check_names, default=" ".join(likely_names(host)))
        options = [word for each in names for word in ("--ip" if _is_address(each) else "--dns", each)]
        if way == SELF_SIGNED:
            words = ("tls", "self-signed", *options)
            return Act([f"ao {' '.join(words)}"], lambda: _place(here, words))
        return self._own(here, options)

    def _own(self, here: Here, options: Sequence[str]) -> Act:
        folder = here.settings.parent / CA_FOLDER
        certificate = folder / "ca.pem"
        status = here.status
        make = ("tls", "init-ca", "--ca", str(folder), "--name", _authority_name(status))
        sign = ("tls", "issue", "--ca", str(folder), *options)

        def run() -> list[str]:
            # Root's, not the gateway's user's: it signs what every client believes. One of an earlier run is used.
            if not certificate.exists():
                here.release.as_root().ask(*make)
            authority = here.release.as_root().ask("tls", "show", str(certificate)).data["chain"][0]
            return [
                *_place(here, sign),
                f"The authority: {authority['subject']}, until {authority['not_after']}. Its SHA-256:",
                *_spelt(authority["sha256"]),
                f"Give {shown(str(certificate))} to every client. Keep a copy of the key beside it in a safe.",
            ]

        plan = [] if certificate.exists() else [f"ao tls init-ca --ca {folder} --name {_authority_name(status)!r}"]
        return Act([*plan, f"ao {' '.join(sign)}"], run)


def check_file(typed: str) -> Path:
    file = Path(typed).absolute()
    if not typed or not file.is_file():
        raise AnswerRefused(
            f"There is no file {shown(str(file))}." if typed else "No file was named.",
            where="certificate.file",
            remedy="For example: /media/usb/gateway.pem.",
        )
    return file


def check_names(typed: str) -> list[str]:
    names = typed.replace(",", " ").split()
    bad = next((each for each in names if not _is_address(each) and not _NAME.fullmatch(each)), None)
    if not names or bad is not None:
        raise AnswerRefused(
            f"{shown(bad, 70)!r} is no name and no address." if bad else "It needs a name or an address.",
            where="certificate.names",
            remedy="With spaces between them: gateway.bank.internal 10.0.0.5.",
        )
    return names


def likely_names(host: str) -> list[str]:
    """What this host calls itself, and where it listens. Nobody is asked over a network."""
    own = socket.gethostname()
    names = [own] if _NAME.fullmatch(own) else []
    return names if host in _EVERYWHERE else [*names, host]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _authority_name(status: dict[str, Any] | None) -> str:
    return f"{status['site'] if status else 'AO'} internal CA"[:64]


def _place(here: Here, words: Sequence[str]) -> list[str]:
    """Has the release put a pair in place, then names it in the settings. Root may read keys that others may not."""
    placed = here.release.as_root().ask(*words).data
    told = placed["certificate"]
    put_members(here, {name: str(placed[name]) for name in ("tls_certificate", "tls_key")})
    return [
        f"{', '.join(told['names']) or told['subject']}, until {told['not_after']}. Its SHA-256:",
        *_spelt(told["sha256"]),
    ]


def _spelt(fingerprint: str) -> list[str]:
    """To be compared: two lines of sixteen."""
    groups = fingerprint.split(":")
    return [f"    {' '.join(groups[i : i + 16])}" for i in range(0, len(groups), 16)]
