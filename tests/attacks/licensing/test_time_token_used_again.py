"""Tries: a time token a second time, with the challenge that it answered written back into the database.

Meets: The serial of the token is a second lock: what was used lowers nothing.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

from appliance.operations.time import import_time_token
from appliance.state.site import CHALLENGE_BYTES, Site
from licensing.clock import TimeFloor
from licensing.errors import Refusal
from tests.appliance.operations.test_life_papers import token_bytes
from tests.appliance.papers import NOW, entropy
from tests.appliance.sites import on_stick
from tests.attacks.licensing.tampered import edit


def test_a_challenge_brought_back_by_hand_does_not_bring_its_token_back(site: Site) -> None:
    """The serial of the token is a second lock: what was used is no news, and lowers nothing."""
    challenge = site.challenge
    token = on_stick(site, "t.json", token_bytes(site, at=NOW))
    import_time_token(site, token, now=NOW, entropy=entropy("fresh", CHALLENGE_BYTES))
    site.raise_time_floor(lambda _: TimeFloor(NOW + timedelta(days=100), "this host's clock"))
    edit(site, "UPDATE site SET challenge = ?", challenge)
    with contextlib.suppress(Refusal):
        import_time_token(site, token, now=NOW, entropy=entropy("again", CHALLENGE_BYTES))
    assert site.time_floor().at == NOW + timedelta(days=100)
