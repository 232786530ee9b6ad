"""Imports, ways back, rotations and restarts in any order: what is in force is what may be, and the floor stays up."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appliance.config.open import VENDOR_ROLE
from appliance.operations.config import activate_config, config_in_force, examine_config
from appliance.operations.config_history import find_way_back, go_back, history
from appliance.operations.trust import import_trust
from appliance.state.site import Site, open_site
from licensing.envelope import pae, parse
from tests.appliance.operations.test_life_papers import refusal_by, tables
from tests.appliance.operations.test_life_vendor import Vendor
from tests.appliance.papers import DEMO_MODELS, NOW, config_bytes
from tests.appliance.sites import any_secret, licensed_site, on_stick
from tests.licensing.documents import THRESHOLDS, key

Known = tuple[int, int]
"""Key epoch and serial."""


class ConfigsComeAndGo(RuleBasedStateMachine):
    """A real site, and a model of it: which configs were in force, what each allows, which of them is now."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="configs-"))
        self.site: Site = licensed_site(self.folder / "state")
        self.vendor = Vendor()
        self.papers: dict[Known, bytes] = {(1, 1): config_bytes()}
        self.allows: dict[Known, int] = {(1, 1): 1}
        self.past: list[Known] = [(1, 1)]

    def teardown(self) -> None:
        self.site.close()
        shutil.rmtree(self.folder)

    @property
    def epoch(self) -> int:
        return self.vendor.generations["config"]

    def newest(self, epoch: int) -> int:
        return max((serial for each, serial in self.papers if each == epoch), default=0)

    def brought(self, data: bytes) -> bool:
        """As `ao config import --yes`; what is refused changes nothing."""
        file = on_stick(self.site, "it", data)
        before = tables(self.site)
        refusal = refusal_by(lambda: activate_config(self.site, examine_config(self.site, file, any_secret, NOW), NOW))
        assert refusal is None or tables(self.site) == before
        return refusal is None

    @rule(step=st.integers(1, 3), talk=st.booleans(), back=st.none() | st.integers(0, 4))
    def a_newer_config_comes_in(self, step: int, talk: bool, back: int | None) -> None:
        serial = self.newest(self.epoch) + step
        allowed = 1 if back is None else max(1, serial - back)
        models = DEMO_MODELS.replace("chat", "talk") if talk else DEMO_MODELS
        data = config_bytes(
            models + f"rollback: {{not_below: {allowed}}}\n", serial=serial, signers=self.vendor.signers("config")
        )
        assert self.brought(data)
        self.papers[self.epoch, serial] = data
        self.allows[self.epoch, serial] = allowed
        self.past.append((self.epoch, serial))

    @rule(data=st.data())
    def a_known_config_is_brought_again(self, data: st.DataObject) -> None:
        """Only the newest of today's epoch comes in, whatever is in force; brought while it is, it is no event."""
        known = data.draw(st.sampled_from(sorted(self.papers)))
        may = known == (self.epoch, self.newest(self.epoch))
        assert self.brought(self.papers[known]) == may
        if may and self.past[-1] != known:
            self.past.append(known)

    @rule(number=st.none() | st.integers(1, 12))
    def somebody_goes_back(self, number: int | None) -> None:
        others = [each for each in reversed(self.past) if each != self.past[-1]]
        if number is not None:
            others = [each for each in others if each[1] == number]
        allowed = self.allows.get((self.epoch, self.newest(self.epoch)), 1)
        may = bool(others) and others[0][0] == self.epoch and others[0][1] >= allowed
        before = tables(self.site)
        refusal = refusal_by(lambda: go_back(self.site, find_way_back(self.site, number, any_secret, NOW), NOW))
        assert (refusal is None) == may, refusal
        if refusal is None:
            self.past.append(others[0])
        else:
            assert refusal.code == "rollback_refused"
            assert tables(self.site) == before

    @precondition(lambda self: self.vendor.version < 4)
    @rule(withdrawn=st.booleans())
    def the_vendor_rotates_the_role(self, withdrawn: bool) -> None:
        after = self.vendor.rotated("config")
        if withdrawn:
            after.revoked_keys = (*after.revoked_keys, self.vendor.names("config")[0])
        file = on_stick(self.site, "trust", after.trust(*self.vendor.signers("root")))
        import_trust(self.site, [file], NOW)
        self.vendor = after

    @rule()
    def the_gateway_restarts(self) -> None:
        self.site.close()
        self.site = open_site(self.folder / "state")

    @invariant()
    def what_was_put_in_force_was_signed_by_the_roles_threshold_of_its_day_and_serves_under_todays_alone(self) -> None:
        data = self.site.document("config")
        assert data == self.papers[self.past[-1]]
        envelope = parse(data)
        message = pae(envelope.payload_type, envelope.body)
        today = [key(name).public_key for name in self.vendor.names("config") if name not in self.vendor.revoked_keys]
        genuine = {each for each in today for one in envelope.signatures if each.verifies(one.sig, message)}
        serves = refusal_by(lambda: config_in_force(self.site)) is None
        assert serves == (len(genuine) >= THRESHOLDS["config"]) == (self.past[-1][0] == self.epoch)

    @invariant()
    def the_floor_is_the_newest_ever_accepted(self) -> None:
        floor = self.site.floor_of(VENDOR_ROLE)
        assert floor is not None
        assert (floor.key_epoch, floor.serial) == max(self.papers)

    @invariant()
    def the_last_of_the_history_is_what_is_in_force(self) -> None:
        told = history(self.site)
        assert told[0].floor == self.site.in_force("config")
        assert [(each.floor.key_epoch, each.floor.serial) for each in reversed(told)] == self.past
        assert [each.until for each in told] == [None, *(each.at for each in told[:-1])]

    @invariant()
    def the_audit_trail_tells_the_same_story(self) -> None:
        rows = self.site.database.execute("SELECT subject FROM audit WHERE act LIKE 'config.%' ORDER BY seq").fetchall()
        told = [row["subject"] for row in rows]
        short = [one for one, after in zip(told, [*told[1:], None], strict=True) if one != after]
        assert short == [f"config serial {serial}, key epoch {epoch}" for epoch, serial in self.past]
        assert self.site.verify_audit().first_bad is None


TestConfigsComeAndGo = ConfigsComeAndGo.TestCase
TestConfigsComeAndGo.settings = settings(
    max_examples=25, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
