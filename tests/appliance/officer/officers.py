"""Officers for tests: keys in real files, at the cheapest cost, and the folder that they work in."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

from nacl.pwhash import argon2id

from appliance.officer.signing_key import OfficerKey, new_officer_key, open_officer_key
from appliance.operations.officer import create_officer_key
from licensing.keyfile import KdfLimits, RandomBytes
from media.passphrase import Passphrase

CHEAP = KdfLimits(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)
WORDS = b"an officer's passphrase"
TEXT = "# Ward 3\nmodels:\n  - alias: chat   # as asked\n    provider:\n      name: demo\n"


def repeatable(name: str) -> RandomBytes:
    """Bytes that look random, and are the same in every run."""
    counter = itertools.count()
    return lambda size: hashlib.shake_256(f"{name}/{next(counter)}".encode()).digest(size)


def words() -> Passphrase:
    return Passphrase(WORDS)


def key_file(folder: Path, label: str) -> Path:
    """A new officer's key file."""
    file = folder / f"{label}.key"
    create_officer_key(file, label, words, random=repeatable(label), limits=CHEAP)
    return file


def opened(file: Path) -> OfficerKey:
    return open_officer_key(file, words)


def in_memory(label: str) -> OfficerKey:
    return new_officer_key(label, repeatable(label))


def passphrase_file(folder: Path) -> Path:
    file = folder / "passphrase"
    file.write_bytes(WORDS + b"\n")
    file.chmod(0o600)
    return file
