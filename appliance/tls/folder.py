"""Where a pair of the listener's lies that `ao tls` put in place: `tls/` in the state folder.

Promise: a pair is exchanged as a whole, by one rename of a link; whoever reads `current/certificate.pem` and
`current/key.pem` at any moment meets the old pair or the new one (a reload judges them together). The pair of before is
kept, as `previous`; those before it are removed.

    tls/pair-<first 16 digits of its SHA-256>/certificate.pem  key.pem (0600)
    tls/current, tls/previous       links to such folders
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from appliance.errors import StateUnwritable
from appliance.tls.material import fingerprint
from media.writer import write_document

FOLDER = "tls"
CURRENT, PREVIOUS = "current", "previous"
CERTIFICATE, KEY = "certificate.pem", "key.pem"
_PAIR = re.compile(r"pair-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the pair that is in place is read from."""

    certificate: Path
    key: Path


def installed_in(state: Path) -> Installed:
    """The names, whether or not anything is there."""
    current = state / FOLDER / CURRENT
    return Installed(current / CERTIFICATE, current / KEY)


def install(state: Path, certificate: bytes, key: bytes) -> Installed:
    """Puts a pair that was judged good in place. Raises StateUnwritable, MediaError; then the old one is in place."""
    folder = state / FOLDER
    name = f"pair-{fingerprint(x509.load_pem_x509_certificates(certificate)[0]).replace(':', '')[:16].lower()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / name).mkdir(mode=0o700, exist_ok=True)
        write_document(folder / name / CERTIFICATE, certificate, replace=True, mode=0o644)
        write_document(folder / name / KEY, key, replace=True, mode=0o600)
        _take_turns(folder, name)
    except OSError as exc:
        raise StateUnwritable(f"The pair cannot be put in place: {exc.strerror}.", where=str(folder)) from exc
    return installed_in(state)


def _take_turns(folder: Path, name: str) -> None:
    before = _led_to(folder / CURRENT)
    if before is not None and before != name:
        _point(folder, PREVIOUS, before)
    _point(folder, CURRENT, name)
    kept = {name, before, _led_to(folder / PREVIOUS)}
    for each in folder.iterdir():
        if _PAIR.fullmatch(each.name) and each.name not in kept:
            shutil.rmtree(each, ignore_errors=True)


def _led_to(link: Path) -> str | None:
    with suppress(OSError):
        return str(link.readlink())
    return None


def _point(folder: Path, link: str, name: str) -> None:
    fresh = folder / f"{link}.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    fresh.replace(folder / link)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
