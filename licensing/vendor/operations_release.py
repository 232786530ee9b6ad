"""Signing a release: what was built, held against the files themselves.

Promise: what is signed is what lies there. Every file that the build's description lists is read and hashed again, and
nothing is signed where one differs or is missing. The body is made from the description alone and its serial from the
version, so that signing again gives the same document, and two different builds of one version cannot both be believed
by a site. No memory is kept: a release is for every site.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from licensing.document import first_fault
from licensing.release import Artefact, Release, open_release, serial_of
from licensing.shown import shown
from licensing.strict_json import canonical, load_object
from licensing.vendor.countersign import sign_together, unfinished_name
from licensing.vendor.errors import ReleaseRefused
from licensing.vendor.home import Home
from licensing.vendor.operations import Delivered, require_free
from licensing.vendor.unlock import Unlock
from media.errors import TooLarge
from media.naming import naming
from media.reader import LIMITS, read_document
from media.writer import write_document


def sign_release(home: Home, description: Path, out: Path, *, unlock: Unlock) -> Delivered:
    """Signs what the build describes, whose files lie in the description's folder.

    Raises ReleaseRefused, Malformed, KeyMissing, and what the writer refuses.
    """
    data = read_document(description, limit=LIMITS["release"])
    with naming(description):
        claims = _claims(load_object(data))
    for artefact in claims.artefacts:
        _require_same(artefact, description.parent / artefact.file)
    trust = home.trust().claims
    signers = home.signers(trust, "release", unlock)
    require_free(out)
    signed = sign_together(Release.payload_type(), claims.to_bytes(), signers, trust, "release")
    if len(signed.document) > LIMITS["release"]:
        raise TooLarge(f"The release would have {len(signed.document)} bytes; a site reads {LIMITS['release']}.")
    if signed.quorum.complete:
        open_release(signed.document, trust)
    path = out if signed.quorum.complete else unfinished_name(out)
    write_document(path, signed.document)
    return Delivered(claims.version, claims.serial, path, signed.quorum.missing)


def _claims(described: dict[str, Any]) -> Release:
    """The release that a build's description makes. Raises ReleaseRefused naming the member that is wrong."""
    try:
        artefacts = [
            {**each, "sha256": f"sha256:{each['sha256']}"} for each in described["artefacts"] if isinstance(each, dict)
        ]
        members = {
            **described,
            "kind": "release",
            "schema": 1,
            "serial": serial_of(described["version"]),
            "issued_at": described["built_at"],
            "artefacts": artefacts,
        }
        return Release.model_validate_json(canonical(members))
    except ValidationError as error:
        raise ReleaseRefused(f"The description makes no release: {first_fault(error)}.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ReleaseRefused(
            "The description makes no release: its version, date or list of files is not one."
        ) from error


def _require_same(artefact: Artefact, file: Path) -> None:
    try:
        with file.open("rb") as stream:
            found = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
            size = stream.tell()
    except OSError as error:
        raise ReleaseRefused(
            f"A file of the release cannot be read: {error.strerror}.", where=shown(str(file))
        ) from error
    if (size, found) != (artefact.size, artefact.sha256):
        raise ReleaseRefused(
            f"The file is not the one that was built: it has {size} bytes and {found}, the build made "
            f"{artefact.size} bytes and {artefact.sha256}.",
            where=shown(str(file)),
        )
