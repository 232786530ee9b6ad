"""Tries: deleting the site's key and making another.

Meets: `licence_wrong_site`.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.operations.licence import standing
from appliance.operations.usage import seal_now
from appliance.state.site import CHALLENGE_BYTES, ENTROPY_BYTES, Site, open_site
from appliance.state.site_key import create_site_key
from licensing.errors import Refusal
from licensing.usage import open_usage
from tests.appliance.operations.test_life_papers import refusal_of
from tests.appliance.papers import NOW, entropy


def test_a_site_key_made_anew_has_no_licence(site: Site) -> None:
    (site.folder / "site.key").unlink()
    create_site_key(site.folder / "site.key", entropy("another", ENTROPY_BYTES - CHALLENGE_BYTES))
    again = open_site(site.folder)
    assert refusal_of(again) == "licence_wrong_site"
    assert "bound to site key" in standing(again, NOW).sentence
    with pytest.raises(Refusal):
        open_usage(seal_now(again, NOW + timedelta(hours=1))[0].data, site.key.public_key)
    again.close()
