"""Tries: writing a licence of one's own into the state database: the thief's, one signed with the site's own key, or
none.

Meets: `licence_unreadable`, `licence_missing`; nothing is served.
"""

from __future__ import annotations

from appliance.state.site import Site
from licensing.envelope import parse, sign, to_json
from tests.appliance.operations.test_life_papers import refusal_of
from tests.attacks.licensing.tampered import edit, own_licence, put_bytes


def test_a_licence_written_by_the_thief_is_unreadable(site: Site) -> None:
    put_bytes(site, "licence", own_licence(site, signer="thief", expires_at="2099-01-01T00:00:00Z"))
    assert refusal_of(site) == "licence_unreadable"


def test_a_licence_signed_with_the_sites_own_key_is_unreadable(site: Site) -> None:
    genuine = parse(own_licence(site))
    put_bytes(site, "licence", to_json(sign(genuine.payload_type, genuine.body, [site.key])))
    assert refusal_of(site) == "licence_unreadable"


def test_deleting_the_licence_leaves_none(site: Site) -> None:
    edit(site, "DELETE FROM in_force WHERE slot = 'licence'")
    assert refusal_of(site) == "licence_missing"
