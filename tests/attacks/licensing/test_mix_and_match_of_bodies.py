"""Tries: the signatures of one document under the text of another: of another config, or of a licence with another
serial.

Meets: `signature_refused`.
"""

from __future__ import annotations

from licensing.envelope import Envelope, parse, to_json
from tests.attacks.licensing.hostile import FIRST, GENUINE_CONFIG, SECOND, licence_file, meets, open_config, refuses
from tests.licensing.documents import CONFIG_TEXT


def test_another_config() -> None:
    with meets("signature_refused"):
        open_config(Envelope(GENUINE_CONFIG.payload_type, CONFIG_TEXT + b"debug: true\n", (FIRST, SECOND)))


def test_another_licence() -> None:
    old, new = parse(licence_file(serial=7)), parse(licence_file(serial=8))
    refuses(to_json(Envelope(old.payload_type, old.body, new.signatures)), "signature_refused")
