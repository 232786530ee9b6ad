"""What an officer does with a key of their own: make it, hand on its public half, sign a config, add a signature.

None of it needs a site: it happens on any machine, and leaves nothing there but the file that was asked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.errors import OfficerKeyRefused
from appliance.officer.lay_out import LIMIT, Paper, lay_out_signed, lay_out_text
from appliance.officer.signing_key import look_at, new_officer_key, open_officer_key, public_record
from licensing.envelope import with_signature
from licensing.errors import SignatureRefused
from licensing.keyfile import MODERATE, KdfLimits, KeyFile, RandomBytes
from licensing.shown import shown
from media.errors import AlreadyThere, NotFound, TooLarge
from media.passphrase import AskPassphrase
from media.reader import read_document
from media.writer import write_document


@dataclass(frozen=True, slots=True)
class Signed:
    """Where the signed config lies, how many signatures it has, and whose was added."""

    file: Path
    signatures: int
    keyid: str


def create_officer_key(
    out: Path, label: str, ask: AskPassphrase, *, random: RandomBytes, limits: KdfLimits = MODERATE
) -> KeyFile:
    """Makes a key in a new file for its owner alone. Raises Malformed, MediaError."""
    require_free(out)
    key = new_officer_key(label, random)
    write_document(out, key.sealed(ask(), random=random, limits=limits), mode=0o600)
    return look_at(out)


def show_officer_key(file: Path, public_out: Path | None = None) -> KeyFile:
    """What the file says openly; with `public_out` the public half is written there, for the vendor."""
    found = look_at(file)
    if public_out is not None:
        write_document(public_out, public_record(found).to_bytes())
    return found


def prepare_to_sign(file: Path, out: Path, *, site: str, serial: int, now: datetime) -> Paper:
    """The config in an author's file, to be shown before it is signed. Changes nothing."""
    require_free(out)
    text = read_document(file, limit=LIMIT)
    return lay_out_text(text, file=shown(str(file)), site=site, serial=serial, now=now)


def prepare_to_cosign(file: Path, out: Path) -> Paper:
    """The config that others have signed, to be shown before one more does. Changes nothing."""
    if out != file:
        require_free(out)
    return lay_out_signed(read_document(file, limit=LIMIT), file=shown(str(file)))


def sign_paper(paper: Paper, key_file: Path, ask: AskPassphrase, out: Path, *, replace: bool = False) -> Signed:
    """Adds one signature to what was shown, keeps the others, and writes the file.

    Raises OfficerKeyRefused for a key that has signed it already, and what opening the key refuses.
    """
    key = open_officer_key(key_file, ask)
    try:
        envelope = with_signature(paper.envelope, key)
    except SignatureRefused as error:
        raise OfficerKeyRefused(error.message, where=shown(str(key_file)), remedy=error.remedy) from error
    document = paper.to_bytes(envelope)
    if len(document) > LIMIT:
        raise TooLarge(f"With this signature the file has {len(document)} bytes; a site reads {LIMIT}.")
    write_document(out, document, replace=replace)
    return Signed(out, len(envelope.signatures), key.public_key.keyid)


def require_free(out: Path) -> None:
    """Said before anybody types a passphrase; the writer would say it afterwards. Raises AlreadyThere, NotFound."""
    if os.path.lexists(out):
        raise AlreadyThere("There is a file of this name already.", where=shown(str(out)))
    if not out.parent.is_dir():
        raise NotFound("There is no such folder to write to.", where=shown(str(out)))
