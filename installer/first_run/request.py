"""The last step: this site's request for a licence, on a medium."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from installer.errors import AnswerRefused
from installer.first_run.conversation import Conversation
from installer.first_run.step import Act, Here
from licensing.errors import Refusal
from licensing.shown import shown
from licensing.site_request import open_site_request
from media.reader import LIMITS, read_document
from media.writer import write_document

NAME: Final = "site-request.signed.json"
UNLICENSED: Final = frozenset({"missing", "unreadable", "wrong_site", "wrong_epoch"})


class RequestStep:
    name = "request"
    title = "The request for a licence"
    asks = ("request.out",)

    def done(self, here: Here) -> str | None:
        status = here.status
        if status is None:
            return None
        if status["licence"]["rung"] not in UNLICENSED:
            return f"A licence is here already: {status['licence']['rung']}."
        for medium in here.media:
            if _says_this_site(medium / NAME, status):
                return f"{shown(str(medium / NAME))} is this site's request."
        return None

    def ask(self, here: Here, talk: Conversation) -> Act:
        talk.say(
            "The request holds this site's id, name and public keys, and is signed by the site's own key. Nothing in "
            "it is secret. Carry it to the vendor, who answers with licence.json."
        )
        first = next(iter(here.media), None)
        if first is None:
            talk.say("No medium is mounted. To mount a stick: mount /dev/sdX1 /media/usb")
        status = here.status
        file = talk.ask(
            "request.out",
            "Write it to",
            lambda typed: check_place(typed, status),
            default=str(first / NAME) if first else None,
        )
        if file.exists():
            return Act(
                [f"nothing: {file} is this site's request"], lambda: [f"{shown(str(file))} is this site's request."]
            )
        return Act([f"ao site request --out {file}"], lambda: _write(here, file))


def check_place(typed: str, status: Mapping[str, Any] | None) -> Path:
    """A file that is not there yet, in a folder that is; of a folder, the usual name in it. A request of this very
    state may lie there: it is left as it is."""
    if not typed:
        raise AnswerRefused("No file was named.", where="request.out", remedy=f"For example: /media/usb/{NAME}.")
    file = Path(typed).absolute()
    if file.is_dir():
        file /= NAME
    if not file.parent.is_dir():
        raise AnswerRefused(
            f"There is no folder {shown(str(file.parent))}.", where="request.out", remedy="Mount the medium first."
        )
    if not os.access(file.parent, os.W_OK):
        raise AnswerRefused(
            f"{shown(str(file.parent))} cannot be written to.",
            where="request.out",
            remedy=f"If it is mounted read-only: mount -o remount,rw {shown(str(file.parent))}.",
        )
    if (file.exists() or file.is_symlink()) and not (status and _says_this_site(file, status)):
        raise AnswerRefused(
            f"{shown(str(file))} is there, and is not the request of this site as it is now.",
            where="request.out",
            remedy="Name another file; nothing is overwritten.",
        )
    return file


def _says_this_site(file: Path, status: Mapping[str, Any]) -> bool:
    try:
        request = open_site_request(read_document(file, limit=LIMITS["site-request"])).claims
    except Refusal:
        return False
    return (request.site, request.epoch) == (status["site"], status["epoch"])


def _write(here: Here, file: Path) -> list[str]:
    """The release writes it where it lies ready; from there it is put on the medium, which only root may write to."""
    ready = here.release.state_dir / "out" / NAME
    here.release.ask("site", "request", "--out", str(ready))
    written = write_document(file, read_document(ready, limit=LIMITS["site-request"]))
    return [f"{shown(str(file))} is written and read back; the medium may be removed.", written.sha256]
