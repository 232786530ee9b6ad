"""Tries: the bits that the last character of base64 leaves over, which many readers ignore: another file, the same
signature.

Meets: `document_malformed`.
"""

from __future__ import annotations

from tests.attacks.licensing.hostile import SIG, around, refuses


def test_they_are_nought() -> None:
    refuses(around(SIG, SIG[:-3] + chr(ord(SIG[-3]) + 1) + "=="))
