"""Tries: copying the neighbour's genuine licence into the database, alone or with the neighbour's site key.

Meets: `licence_wrong_site`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from appliance.state.site import Site, open_site
from tests.appliance.operations.test_life_papers import refusal_of
from tests.appliance.papers import licence_bytes
from tests.appliance.sites import make_site
from tests.attacks.licensing.tampered import put_bytes


def test_a_licence_of_the_neighbour_is_for_another_site(site: Site) -> None:
    put_bytes(site, "licence", licence_bytes(key="0" * 64, epoch=site.epoch))
    assert refusal_of(site) == "licence_wrong_site"


def test_the_key_of_another_site_does_not_make_its_licence_ones_own(site: Site, tmp_path: Path) -> None:
    """The neighbour's key and licence were copied; the id is still this site's."""
    neighbour = make_site(tmp_path / "neighbour", name="neighbour")
    shutil.copy(neighbour.folder / "site.key", site.folder / "site.key")
    data = licence_bytes(
        key=neighbour.key.public_key.keyid,
        epoch=neighbour.epoch,
        binding={"site": "neighbour", "key": neighbour.key.public_key.keyid, "epoch": neighbour.epoch},
    )
    put_bytes(site, "licence", data)
    again = open_site(site.folder)
    assert refusal_of(again) == "licence_wrong_site"
    again.close()
    neighbour.close()
