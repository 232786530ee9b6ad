"""Tries: changing the site's id or epoch in the database to those of a licence that one holds.

Meets: `licence_wrong_site`, `licence_wrong_epoch`.
"""

from __future__ import annotations

import pytest

from appliance.state.site import Site, open_site
from tests.appliance.operations.test_life_papers import refusal_of
from tests.attacks.licensing.tampered import edit


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE site SET epoch = epoch + 1", "licence_wrong_epoch"),
        ("UPDATE site SET id = 'another-site'", "licence_wrong_site"),
        ("UPDATE site SET epoch = 1", "licence_wrong_epoch"),
    ],
)
def test_another_identity_has_no_licence(site: Site, statement: str, code: str) -> None:
    edit(site, statement)
    again = open_site(site.folder)
    assert refusal_of(again) == code
    again.close()
