"""Tries: a signature of the thief's under an officer's key id; and genuine signatures under ids that are exchanged,
empty, the thief's, or missing.

Meets: `signature_refused` for the thief; for the others nothing at all: a key id decides nothing, for or against.
"""

from __future__ import annotations

import pytest

from licensing.envelope import Signature
from tests.attacks.licensing.hostile import FIRST, GENUINE_CONFIG, SECOND, THIEF, config_of, meets, open_config
from tests.licensing.documents import CONFIG_TEXT, envelope_of

THEFT = envelope_of("config", CONFIG_TEXT, THIEF).signatures[0]


def test_the_thief_under_an_officers_id() -> None:
    with meets("signature_refused"):
        open_config(config_of(FIRST, Signature(SECOND.keyid, THEFT.sig)))


@pytest.mark.parametrize("ids", [(SECOND.keyid, FIRST.keyid), ("", ""), (THIEF.keyid, THIEF.keyid)])
def test_genuine_signatures_under_other_ids_are_whose_they_are(ids: tuple[str, str]) -> None:
    relabelled = config_of(Signature(ids[0], FIRST.sig), Signature(ids[1], SECOND.sig))
    assert open_config(relabelled) == open_config(GENUINE_CONFIG)
