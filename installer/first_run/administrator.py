"""The first administrator: a name, a password, and a secret for an authenticator app that is shown once.

Where the release knows no administrators, whoever is root at this host's console administers it, and nothing is asked.
The password goes to the release on its standard input, never as an argument.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from installer.errors import AnswerRefused, SetupUnfinished
from installer.first_run.conversation import Conversation
from installer.first_run.step import Act, Here
from licensing.shown import shown
from media.passphrase import Passphrase
from media.writer import write_document

ROLE: Final = "site-admin"
SHORTEST: Final = 12
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")


class AdministratorStep:
    name = "administrator"
    title = "The first administrator"
    asks = ("administrator.name", "administrator.password_file", "administrator.enrolment_file")

    def done(self, here: Here) -> str | None:
        if here.status is None or not here.release.has("admins"):
            return None
        there = here.release.ask("admins", "list").data.get("administrators", [])
        return f"There are administrators: {', '.join(shown(each['name']) for each in there)}." if there else None

    def ask(self, here: Here, talk: Conversation) -> Act | None:
        if not here.release.has("admins"):
            talk.say("This release is administered at the host's console, by root. There is nothing to make.")
            return None
        talk.say(
            "An administrator signs in with a password and a code from an authenticator app. At the console, root "
            "needs neither."
        )
        name = talk.ask("administrator.name", "Name", check_name)
        password = _password(talk)
        file = talk.ask("administrator.enrolment_file", "File", check_new_file) if talk.unattended else None
        return Act(
            [f"ao admins create {name} --role {ROLE}, the password on its standard input"],
            lambda: _make(here, talk, name, password, file),
        )


def check_name(typed: str) -> str:
    if not _NAME.fullmatch(typed):
        raise AnswerRefused(
            f"{shown(typed, 70)!r} is no administrator's name." if typed else "An administrator needs a name.",
            where="administrator.name",
            remedy="2 to 64 lower-case letters, digits and . _ @ -, a letter or digit first. For example: anna.",
        )
    return typed


def check_new_file(typed: str) -> Path:
    """Where the secret for the authenticator app goes when nobody is there to read it."""
    file = Path(typed).absolute()
    if file.exists() or file.is_symlink() or not file.parent.is_dir():
        raise AnswerRefused(
            f"{shown(str(file))} is there already, or its folder is not.",
            where="administrator.enrolment_file",
            remedy="Name a new file in a folder that only you can read.",
        )
    return file


def _password(talk: Conversation) -> Passphrase:
    while True:
        password = talk.secret("administrator.password", f"Password, {SHORTEST} characters or more")
        length = len(password.reveal().decode("utf-8", "replace"))
        if length >= SHORTEST:
            return password
        if talk.unattended:
            raise AnswerRefused(
                f"A password has at least {SHORTEST} characters; this one has {length}.",
                where="administrator.password_file",
                remedy="Take four words that have nothing to do with each other.",
            )
        talk.say(f"  A password has at least {SHORTEST} characters. Take four words.")


def _make(here: Here, talk: Conversation, name: str, password: Passphrase, file: Path | None) -> list[str]:
    words = ("admins", "create", name, "--role", ROLE, "--password-fd", "0")
    made = here.release.ask(*words, typed=password.reveal()).data
    enrolment = _enrolment(made)
    if file is not None:
        write_document(file, "".join(f"{line}\n" for line in enrolment).encode(), mode=0o600)
        return [f"{name} may sign in. What the authenticator app needs is in {shown(str(file))}; move it to a safe."]
    talk.say("", "Type this secret into the authenticator app, and keep the codes in a safe:", "", *enrolment, "")
    if not talk.agree("administrator.kept", "It is shown only now. Have you kept it?"):
        raise SetupUnfinished(
            f"{name} is made, and the secret was not kept.", remedy=f"Have a new one made: ao admins totp {name}."
        )
    return [f"{name} may sign in."]


def _enrolment(made: dict[str, Any]) -> list[str]:
    secret = str(made["totp_secret"])
    groups = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
    codes = [f"  {code}" for code in made["recovery_codes"]]
    return [f"  {groups}", f"  {made['totp_uri']}", "Each of these opens once in the place of a code:", *codes]
