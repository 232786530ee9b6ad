"""The sentences that hold through the whole life of a site, whatever is brought to it and whatever its clock does.

Each is held against what the test itself remembers; signatures are counted here without the product's help. How a site
may get into trouble is in test_life_machine.py.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from appliance.gateway.snapshot import take_snapshot
from appliance.state.site import Site
from appliance.state.standing import judge_site
from licensing.envelope import pae, parse
from licensing.licence import Licence
from licensing.standing import TERMS, Rung, Standing
from licensing.strict_json import load_object
from licensing.trust import pin
from tests.appliance.operations.test_life_papers import refusal_by, tables
from tests.appliance.operations.test_life_vendor import WARDS, Vendor
from tests.appliance.papers import NOW, SITE
from tests.appliance.sites import any_secret, make_site, on_stick
from tests.licensing.documents import THRESHOLDS, key


class WhatHolds(RuleBasedStateMachine):
    """A real site, what is remembered of it, and what must hold after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="life-"))
        self.site: Site = make_site(self.folder / "state")
        self.vendor = Vendor()
        self.now = NOW
        self.uptime = 0.0
        self.boots = 0
        self.floors: dict[tuple[str, int], int] = {}
        self.time_floor = self.site.time_floor().at
        self.pinned = self.site.trust()
        self.used_tokens: list[bytes] = []
        self.copy: tuple[Vendor, dict[tuple[str, int], int], datetime] | None = None
        self.delegation_epoch = 1

    def teardown(self) -> None:
        self.site.close()
        shutil.rmtree(self.folder)

    # -- bringing something: accepted, or refused and nothing changed --------------------------------------------------

    def bring(self, data: bytes, how: Callable[[Path], object], *, may: bool = True, must: bool = False) -> bool:
        """`may`: it could be accepted; `must`: it has to be. "A refused import leaves every table as it was." """
        file = on_stick(self.site, "it", data)
        before = tables(self.site)
        refusal = refusal_by(lambda: how(file))
        if refusal is None:
            assert may, "it was accepted"
            return True
        assert refusal.remedy
        assert tables(self.site) == before, refusal
        assert not must, f"refused, and there is no other way on: {refusal} [{refusal.code}]"
        return False

    # -- what holds ----------------------------------------------------------------------------------------------------

    def delegation(self) -> Any:
        licence = self.standing_now().licence
        return licence.config_delegation if licence else None

    def standing_now(self) -> Standing:
        return judge_site(self.site, self.site.trust(), self.now)

    @invariant()
    def floors_never_fall_within_a_key_epoch(self) -> None:
        rows = self.site.database.execute(
            "SELECT role, key_epoch, MAX(serial) AS serial FROM documents GROUP BY role, key_epoch"
        ).fetchall()
        found = {(row["role"], row["key_epoch"]): row["serial"] for row in rows}
        assert all(found.get(each, 0) >= serial for each, serial in self.floors.items())
        self.floors = found

    @invariant()
    def the_time_floor_falls_by_a_token_alone(self) -> None:
        at = self.site.time_floor().at
        assert at >= self.time_floor
        self.time_floor = at

    @invariant()
    def the_trust_is_the_end_of_an_unbroken_chain_from_the_one_pinned(self) -> None:
        rows = self.site.database.execute("SELECT * FROM documents WHERE role = 'root' ORDER BY serial").fetchall()
        assert pin(rows[0]["bytes"]).claims == self.pinned
        assert [row["serial"] for row in rows] == list(range(1, self.vendor.version + 1))
        trust = self.site.trust()
        assert trust.serial == self.vendor.version
        assert set(trust.roles["config"].keys) == {key(name).keyid for name in self.vendor.names("config")}
        in_force = self.site.in_force("trust")
        assert in_force is not None
        assert in_force.serial == self.vendor.version

    @invariant()
    def what_serves_is_signed_by_those_who_may_sign_now(self) -> None:
        """And so, after a rotation, nothing that retired keys alone have signed. Counted without the product's help."""
        snapshot = take_snapshot(self.site, any_secret, self.now)
        rung = snapshot.standing.rung
        assert (snapshot.refusal is None) <= TERMS[rung].serves
        assert TERMS[rung].serves == (rung in {Rung.VALID, Rung.EXPIRING, Rung.GRACE})
        if snapshot.refusal is not None:
            return
        licence = self.signed_in("licence", self.vendor.names("licence"), THRESHOLDS["licence"])
        claims = Licence.from_mapping(load_object(licence))
        assert claims.licence not in self.vendor.revoked_licences
        assert (claims.binding.site, claims.binding.epoch) == (SITE, self.site.epoch)
        assert claims.binding.key == self.site.key.public_key.keyid
        tolerance = timedelta(seconds=claims.clock_tolerance_seconds)
        true_time = max(self.now, self.time_floor)
        assert self.now >= self.time_floor - tolerance
        assert claims.not_before - tolerance <= true_time
        assert true_time < claims.expires_at + timedelta(days=claims.grace_days) + tolerance
        in_force = self.site.in_force("config")
        assert in_force is not None
        if in_force.role == "config":
            self.signed_in("config", self.vendor.names("config"), THRESHOLDS["config"])
        else:
            assert claims.config_delegation is not None
            self.signed_in("config", WARDS, 2)

    def signed_in(self, slot: str, names: tuple[str, ...], threshold: int) -> bytes:
        data = self.site.document(slot)
        assert data is not None
        envelope = parse(data)
        message = pae(envelope.payload_type, envelope.body)
        allowed = [key(name).public_key for name in names if name not in self.vendor.revoked_keys]
        genuine = {each for each in allowed for one in envelope.signatures if each.verifies(one.sig, message)}
        assert len(genuine) >= threshold, f"the {slot} in force is signed by {len(genuine)} who may"
        return envelope.body

    @invariant()
    def what_is_in_force_is_the_newest_that_was_accepted(self) -> None:
        """A slot names a document that the site holds, of a role that fills it, and none of its role is newer."""
        fills = {"trust": {"root"}, "config": {"config", "config.delegated"}}
        for row in self.site.database.execute("SELECT * FROM in_force JOIN documents USING (role, key_epoch, serial)"):
            assert row["role"] in fills.get(row["slot"], {row["slot"]})
            newest = max(each for each in self.floors if each[0] == row["role"])
            assert (row["role"], row["key_epoch"], row["serial"]) == (*newest, self.floors[newest])
