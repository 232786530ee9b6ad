"""Tries: pointing the licence's slot back at an older licence that is still in the table.

Meets: Root wins at this site; importing the older one is still `serial_refused`, and usage files name the serial.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance.operations.licence import import_licence as bring_licence
from appliance.operations.licence import standing
from appliance.operations.usage import seal_now
from appliance.state.site import Site
from licensing.errors import Refusal
from licensing.usage import open_usage
from tests.appliance.papers import NOW
from tests.appliance.sites import on_stick, put_licence
from tests.attacks.licensing.tampered import edit


def test_root_wins_a_slot_pointed_back_at_an_older_licence_brings_it_back(site: Site) -> None:
    """It is genuine, and of the same keys. The floor in the same table still refuses to import it, and each usage file
    names the licence serial under which calls were admitted."""
    old = site.document("licence")
    put_licence(site, serial=2, caps={"rpm": 1})
    edit(site, "UPDATE in_force SET serial = 1 WHERE slot = 'licence'")
    held = standing(site, NOW).licence
    if held is not None:
        assert held.serial in {1, 2}
        assert open_usage(seal_now(site, NOW + timedelta(hours=1))[-1].data, site.key.public_key).claims.licence_serial
    with pytest.raises(Refusal) as caught:
        bring_licence(site, on_stick(site, "old.json", old or b""), NOW)
    assert caught.value.code == "serial_refused"
