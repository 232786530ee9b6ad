"""The first step: who this site is, and whose signatures it will believe.

The trust document is read once; its digest is shown before anything is made of it, and the very bytes that were shown
are handed to `ao init`, whose own digest is held against it.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.errors import AnswerRefused, ReleaseUnusable, SetupUnfinished
from installer.first_run.conversation import Conversation
from installer.first_run.step import Act, Here
from licensing.document import Verified
from licensing.shown import shown
from licensing.trust import Trust, pin
from media.layout import TO_SITE, TOP
from media.naming import naming
from media.reader import LIMITS, read_document

SITE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
_GROUP: Final = 4
_GROUPS_A_LINE: Final = 4


@dataclass(frozen=True, slots=True)
class Read:
    """A trust document as it was read."""

    file: Path
    data: bytes
    trust: Verified[Trust]


class SiteStep:
    name = "site"
    title = "This site, and whom it believes"
    asks = ("site.id", "site.name", "site.trust", "site.trust_digest")

    def done(self, here: Here) -> str | None:
        status = here.status
        if status is None:
            return None
        return f"This is {status['name']} ({status['site']}), epoch {status['epoch']}."

    def ask(self, here: Here, talk: Conversation) -> Act:
        talk.say(
            "A site has an id, by which licences and usage name it for good, and a name for people.",
            "Lower-case letters, digits and dashes make an id: acme-berlin.",
        )
        site = talk.ask("site.id", "Site id", check_site_id)
        name = talk.ask("site.name", "Site name", check_name)
        talk.say(
            "",
            "The vendor's trust.json says whose signatures this site believes. It comes on a medium, and whoever "
            "controls that file controls this site.",
        )
        found = next(iter(_candidates(here.media, site)), None)
        if found is None:
            talk.say("No medium with one is mounted. To mount a stick: mount -o ro /dev/sdX1 /media/usb")
        read = talk.ask("site.trust", "Trust file", read_trust, default=str(found) if found else None)
        confirm(read, talk)
        words = ("init", "--site", site, "--name", name)
        return Act([f"ao {shlex.join([*words, '--trust', str(read.file)])}"], lambda: _make(here, words, read))


def check_site_id(typed: str) -> str:
    if not SITE_ID.fullmatch(typed):
        raise AnswerRefused(
            f"{shown(typed, 70)!r} is no site id." if typed else "A site needs an id.",
            where="site.id",
            remedy="3 to 63 lower-case letters, digits and dashes, not a dash first. For example: acme-berlin.",
        )
    return typed


def check_name(typed: str) -> str:
    if not 1 <= len(typed) <= 128 or shown(typed, 200) != typed:
        raise AnswerRefused(
            "That is no name." if typed else "A site needs a name.",
            where="site.name",
            remedy="Up to 128 characters that can be seen. For example: Acme Bank, Berlin.",
        )
    return typed


def read_trust(typed: str) -> Read:
    """Raises what the document is refused for; a name that is none is told like a missing file."""
    if not typed:
        raise AnswerRefused("No file was named.", where="site.trust", remedy="For example: /media/usb/trust.json.")
    file = Path(typed)
    data = read_document(file, limit=LIMITS["trust"])
    with naming(file):
        return Read(file, data, pin(data))


def confirm(read: Read, talk: Conversation) -> None:
    """The digest, compared by two people; in a file of answers, by whoever wrote it. Raises SetupUnfinished."""
    digest = read.trust.digest
    talk.say("", f"Trust of {shown(read.trust.claims.vendor)}, version {read.trust.claims.serial}. Its digest:", "")
    talk.say(*(f"    {line}" for line in spelt(digest)), "")
    talk.say(
        "Call the vendor on a number that you know from elsewhere. Have the whole digest read out, and compare every "
        "group."
    )
    given = talk.ask(
        "site.trust_digest",
        "The vendor's digest, in full" if talk.unattended else "Type the last group that the vendor reads",
        check_whole if talk.unattended else check_group,
    )
    # Typing it shows that somebody looked, which a mere yes does not; what counts is the comparison of the whole.
    if not digest.endswith(given):
        raise SetupUnfinished(
            f"The digest of {read.file} is {digest}, and not what was given.",
            where="site.trust_digest",
            remedy="Do not use this file. Ask the vendor for a fresh copy, and run: ao setup.",
        )


def check_group(typed: str) -> str:
    plain = typed.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{4}", plain):
        raise AnswerRefused(
            "A group has four characters.", where="site.trust_digest", remedy="Digits and the letters a to f, as read."
        )
    return plain


def check_whole(typed: str) -> str:
    plain = re.sub(r"\s", "", typed).lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise AnswerRefused(
            "That is no digest.", where="site.trust_digest", remedy="sha256: and 64 characters, as the vendor gave it."
        )
    return plain


def spelt(digest: str) -> list[str]:
    """A digest to be read out: four groups of four a line."""
    plain = digest.removeprefix("sha256:")
    groups = [plain[i : i + _GROUP] for i in range(0, len(plain), _GROUP)]
    return ["  ".join(groups[i : i + _GROUPS_A_LINE]) for i in range(0, len(groups), _GROUPS_A_LINE)]


def _candidates(media: Sequence[Path], site: str) -> list[Path]:
    places = [
        place
        for medium in media
        for place in (medium / TOP / TO_SITE / site / "trust.json", medium / "trust.json", medium / "TRUST.JSN")
    ]
    return [each for each in places if each.is_file() and not each.is_symlink()]


def _make(here: Here, words: Sequence[str], read: Read) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="ao-setup-") as private:
        copy = Path(private) / "trust.json"
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(read.data)
        here.release.hand_over(copy)
        here.release.hand_over(copy.parent)
        made = here.release.ask(*words, "--trust", str(copy)).data
    if made.get("trust") != read.trust.digest:
        raise ReleaseUnusable(
            f"The release pinned {made.get('trust')}, and {read.trust.digest} was shown.",
            remedy="Do not use this host. Call the vendor.",
        )
    return [f"Site {made['site']} is made in {made['state_dir']}.", f"Its key: {made['key']}"]
