"""The life of a site in any order: whatever is brought to it, and whatever its clock does, these sentences hold.

Every rule does what a command does, with papers that are right or wrong in one way; the model beside the site knows
only who may sign what. Restoring an older copy of the state folder is among the rules. It makes a site forget: floors
and the trust version fall to where they were, because nothing on the host can tell. Those two sentences are then held
against the copy; that nothing unsigned is believed and that no closed rung serves must hold all the same. (At the
vendor the restored site shows as a fork of its usage files.)
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from appliance.ledger.seal import last_sealed
from appliance.operations.config import activate_config, examine_config
from appliance.operations.licence import import_licence
from appliance.operations.time import import_time_token
from appliance.operations.trust import import_trust
from appliance.operations.usage import import_receipt, seal_now
from appliance.state.site import CHALLENGE_BYTES, open_site
from licensing.clock import Look, observe, step_between
from licensing.document import format_time
from tests.appliance.operations.test_life_papers import delegation, tables, token_bytes
from tests.appliance.operations.test_life_sentences import WhatHolds
from tests.appliance.operations.test_life_vendor import ROLES, WARDS
from tests.appliance.papers import NOW, config_bytes, entropy, licence_bytes, receipt_bytes
from tests.appliance.sites import any_secret
from tests.licensing.documents import key

HUGE = 2**40
VERSIONS = 5
"""Each judgement verifies every version of the trust again; more of them would show nothing new."""

SERIALS = st.one_of(st.integers(1, 12), st.just(HUGE))
JUMPS = st.sampled_from([1, 60, 3600, 86_400, 40 * 86_400, 400 * 86_400, -60, -3600, -40 * 86_400, 73 * 365 * 86_400])


class LifeOfASite(WhatHolds):
    """The rules."""

    @initialize(licensed=st.sampled_from([True, True, True, False]))
    def a_site_that_serves_or_a_new_one(self, licensed: bool) -> None:
        if licensed:
            self.bring(self.licence(serial=1), self.take_licence, must=True)
            self.bring(config_bytes(serial=1, now=self.now), self.take_config, must=True)

    def bring_trust(self, *versions: bytes, may: bool) -> None:
        self.bring(versions[0], lambda file: import_trust(self.site, [file], self.now), may=may, must=may)

    @precondition(lambda self: self.vendor.version < VERSIONS)
    @rule(roles=st.sets(st.sampled_from(ROLES), max_size=2))
    def the_vendor_rotates(self, roles: set[str]) -> None:
        after = self.vendor.rotated(*roles)
        signers = dict.fromkeys((*self.vendor.signers("root"), *after.signers("root")))
        self.bring_trust(after.trust(*signers), may=True)
        self.vendor = after

    @rule()
    def somebody_brings_wrong_steps(self) -> None:
        for flaw in ("gap", "fork", "back", "not the old", "not the new", "epoch kept", "epoch falls", "alien"):
            self.somebody_brings_a_wrong_step(flaw)

    def somebody_brings_a_wrong_step(self, flaw: str) -> None:
        after = self.vendor.rotated("root", "licence")
        old, new = self.vendor.signers("root"), after.signers("root")
        both = (*old, *new)
        data = {
            "gap": lambda: after.trust(*both, serial=after.version + 1),
            "fork": lambda: after.trust(*both, serial=self.vendor.version),
            "back": lambda: after.trust(*both, serial=max(1, self.vendor.version - 1)),
            "not the old": lambda: after.trust(old[0], *new),
            "not the new": lambda: after.trust(*old, new[0]),
            "epoch kept": lambda: after.trust(*both, epochs=self.vendor.generations),
            "epoch falls": lambda: self.vendor.trust(
                *old, serial=after.version, epochs={role: n - 1 or 1 for role, n in self.vendor.generations.items()}
            ),
            "alien": lambda: after.trust("thief", "thief-2"),
        }[flaw]()
        falls = flaw == "epoch falls" and all(n == 1 for n in self.vendor.generations.values())
        if not falls:
            self.bring_trust(data, may=False)

    @precondition(lambda self: self.vendor.version < VERSIONS)
    @rule(what=st.sampled_from(["licence key", "officer", "licence"]))
    def the_vendor_withdraws(self, what: str) -> None:
        """A key is revoked in the same step that rotates its role; a licence by its id."""
        role = {"licence key": "licence", "officer": "config"}.get(what)
        if role is None:
            after = replace(self.vendor, version=self.vendor.version + 1, revoked_licences=("L-2026-0007",))
        else:
            after = self.vendor.rotated(role)
            after = replace(after, revoked_keys=(*after.revoked_keys, self.vendor.names(role)[0]))
        self.bring_trust(after.trust(*self.vendor.signers("root")), may=True)
        self.vendor = after

    def licence(self, *, signer: str | None = None, **changes: Any) -> bytes:
        usual: dict[str, Any] = {"key": self.site.key.public_key.keyid, "epoch": self.site.epoch, "now": self.now}
        return licence_bytes(signer=signer or self.vendor.signers("licence")[0], **(usual | changes))

    def take_licence(self, file: Path) -> None:
        import_licence(self.site, file, self.now)

    @rule(serial=SERIALS, body=st.sampled_from([{}, {"edition": "pro"}, {"licence": "L-2026-0008"}]))
    def a_licence_by_the_right_key(self, serial: int, body: dict[str, Any]) -> None:
        self.bring(self.licence(serial=serial, **body), self.take_licence)

    @rule()
    def a_licence_one_newer_than_all(self) -> None:
        """Under a clock that can be believed it is always a way on."""
        floor = self.site.floor_of("licence")
        same_epoch = floor is not None and floor.key_epoch == self.vendor.generations["licence"]
        serial = floor.serial + 1 if floor is not None and same_epoch else 1
        data = self.licence(serial=serial, licence="L-2026-0009", now=self.now)
        self.bring(data, self.take_licence, must=self.now >= self.time_floor)

    @rule(duty=st.sampled_from(["warn", "block"]), days=st.integers(1, 30), serial=SERIALS)
    def a_licence_with_a_duty(self, duty: str, days: int, serial: int) -> None:
        usage = {"report_every_days": days, "when_overdue": duty}
        self.bring(self.licence(serial=serial, usage=usage), self.take_licence)

    @rule(serial=SERIALS, new_epoch=st.booleans())
    def a_licence_that_delegates(self, serial: int, new_epoch: bool) -> None:
        epoch = self.delegation_epoch + new_epoch
        data = self.licence(serial=serial, config_delegation=delegation(*WARDS, epoch=epoch))
        if self.bring(data, self.take_licence):
            self.delegation_epoch = epoch

    @rule(
        flaw=st.sampled_from(
            ["site", "epoch", "key", "expired", "future", "retired", "officer", "time key", "site key", "thief"]
        ),
        serial=SERIALS,
    )
    def a_wrong_licence(self, flaw: str, serial: int) -> None:
        own = self.site.key.public_key.keyid
        far = timedelta(days=4000)
        retired = {"licence-1", "licence-2.1"} - set(self.vendor.names("licence"))
        data = {
            "site": lambda: self.licence(binding={"site": "another-site", "key": own, "epoch": self.site.epoch}),
            "epoch": lambda: self.licence(epoch=self.site.epoch + 1, serial=serial),
            "key": lambda: self.licence(key=key("another").keyid, serial=serial),
            "expired": lambda: self.licence(now=NOW - far, issued_at=format_time(NOW - far), serial=serial),
            "future": lambda: self.licence(
                not_before=format_time(max(self.now, self.time_floor) + far),
                expires_at=format_time(max(self.now, self.time_floor) + 2 * far),
                serial=serial,
            ),
            "retired": lambda: self.licence(signer=min(retired, default="licence-9.1"), serial=serial),
            "officer": lambda: self.licence(signer=self.vendor.signers("config")[0], serial=serial),
            "time key": lambda: self.licence(signer="time-1", serial=serial),
            "site key": lambda: self.licence(signer="site", serial=serial),
            "thief": lambda: self.licence(signer="thief", serial=serial),
        }[flaw]()
        # Under an untrusted clock a licence's dates say nothing, and it comes in as a witness of time.
        may = flaw in {"expired", "future"} and self.now < self.time_floor
        self.bring(data, self.take_licence, may=may)

    def take_config(self, file: Path) -> None:
        activate_config(self.site, examine_config(self.site, file, any_secret, self.now), self.now)

    @rule(serial=SERIALS, text=st.sampled_from(["chat", "talk"]), ahead=st.booleans())
    def a_config_by_the_vendor(self, serial: int, text: str, ahead: bool) -> None:
        models = f"models:\n  - alias: {text}\n    provider:\n      name: demo\n"
        issued = self.now + timedelta(days=1000) if ahead else self.now
        data = config_bytes(models, serial=serial, now=issued, signers=self.vendor.signers("config"))
        self.bring(data, self.take_config, may=self.delegation() is None)

    @rule(serial=SERIALS, count=st.integers(1, 3))
    def a_config_by_the_customers_officers(self, serial: int, count: int) -> None:
        data = config_bytes(serial=serial, now=self.now, signers=WARDS[:count])
        self.bring(data, self.take_config, may=count >= 2 and self.delegation() is not None)

    @rule(
        signers=st.sampled_from(
            [
                ("officer-1",),
                ("officer-1", "officer-1"),
                ("licence-1", "licence-2"),
                ("officer-1", "ward-1"),
                ("root-1", "root-2"),
            ]
        ),
        serial=SERIALS,
    )
    def a_config_by_too_few_or_the_wrong_ones(self, signers: tuple[str, ...], serial: int) -> None:
        self.bring(config_bytes(serial=serial, now=self.now, signers=signers), self.take_config, may=False)

    @precondition(lambda self: self.vendor.generations["config"] > 1)
    @rule(serial=SERIALS)
    def a_config_by_retired_officers(self, serial: int) -> None:
        self.bring(config_bytes(serial=serial, now=self.now), self.take_config, may=False)

    @precondition(lambda self: self.vendor.version < VERSIONS)
    @rule()
    def a_leaked_officers_key_is_outlived_by_rotating_it(self) -> None:
        if not self.standing_now().terms.config_import or self.delegation() is not None:
            return
        self.bring(config_bytes(serial=HUGE, now=self.now, signers=self.vendor.signers("config")), self.take_config)
        self.the_vendor_rotates({"config"})
        data = config_bytes(serial=12, now=self.now, signers=self.vendor.signers("config"))
        self.bring(data, self.take_config, must=self.standing_now().terms.config_import)

    @rule(flaw=st.sampled_from([None, "head", "seq", "site", "signer"]), serial=SERIALS)
    def a_receipt(self, flaw: str | None, serial: int) -> None:
        if self.now - NOW < timedelta(days=60):
            seal_now(self.site, self.now)
        last = last_sealed(self.site.database)
        if last is None:
            return
        claims: dict[str, Any] = {
            "seq": last.seq, "head": last.digest, "accepted_until": format_time(last.period.end), "serial": serial,
            "signer": self.vendor.signers("receipt")[0],
        }  # fmt: skip
        wrong: dict[str | None, dict[str, Any]] = {
            "head": {"head": "sha256:" + "0" * 64},
            "seq": {"seq": last.seq + 1},
            "site": {"site": "another-site"},
            "signer": {"signer": "licence-1"},
        }
        data = receipt_bytes(epoch=self.site.epoch, now=self.now, **(claims | wrong.get(flaw, {})))
        self.bring(data, lambda file: import_receipt(self.site, file, self.now), may=flaw is None)

    # -- time ----------------------------------------------------------------------------------------------------------

    @rule(
        flaw=st.sampled_from([None, None, "reused", "site", "epoch", "challenge", "signer"]),
        serial=SERIALS,
        back=st.booleans(),
    )
    def a_time_token(self, flaw: str | None, serial: int, back: bool) -> None:
        wrong: dict[str | None, dict[str, Any]] = {
            "site": {"site": "another-site"},
            "epoch": {"epoch": 1},
            "challenge": {"challenge": "0" * 32},
            "signer": {"signer": "licence-1"},
        }
        at = NOW if back else self.now
        right: dict[str, Any] = {"serial": serial, "at": at, "signer": self.vendor.signers("time")[0]}
        data = token_bytes(self.site, **(right | wrong.get(flaw, {})))
        if flaw == "reused":
            if not self.used_tokens:
                return
            data = self.used_tokens[-1]
        fresh = entropy(f"challenge after {self.site.challenge}", CHALLENGE_BYTES)

        def take(file: Path) -> None:
            import_time_token(self.site, file, now=self.now, entropy=fresh)

        if self.bring(data, take, may=flaw is None):
            self.used_tokens.append(data)
            self.time_floor = at
            assert self.site.time_floor().at == at

    def looked(self, seconds: float, wall: datetime) -> None:
        """As the gateway does it every minute."""
        before = Look(self.now, self.uptime)
        self.now, self.uptime = wall, self.uptime + seconds
        now = Look(self.now, self.uptime)
        step = step_between(before, now)
        if step is not None:
            self.site.record_step(step)
        limit = self.site.time_floor().at + timedelta(seconds=seconds)
        self.site.raise_time_floor(lambda floor: observe(floor, before, now))
        assert self.site.time_floor().at <= max(limit, self.time_floor), "time passes no faster than uptime"

    @rule(seconds=st.sampled_from([1, 60, 3600, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.looked(seconds, self.now + timedelta(seconds=seconds))

    @rule(jump=JUMPS)
    def the_clock_is_set_while_running(self, jump: int) -> None:
        self.looked(60, self.in_calendar(self.now + timedelta(seconds=60 + jump)))

    @rule(off=JUMPS)
    def the_host_boots(self, off: int) -> None:
        self.site.close()
        self.now = self.in_calendar(self.now + timedelta(seconds=off))
        self.uptime = 0.0
        self.boots += 1
        self.site = open_site(self.folder / "state")
        for _ in range(3):
            self.site.observe_boot(f"boot-{self.boots}", self.now, timedelta(seconds=300))
        assert self.site.time_floor().at <= self.time_floor + timedelta(seconds=240), "once a boot, four minutes"

    @rule()
    def the_clock_is_set_right(self) -> None:
        self.looked(60, max(NOW, self.time_floor) + timedelta(minutes=1))

    @staticmethod
    def in_calendar(moment: datetime) -> datetime:
        return min(max(moment, datetime(2000, 1, 1, tzinfo=UTC)), datetime(2200, 1, 1, tzinfo=UTC))

    @rule()
    def the_site_is_opened_again(self) -> None:
        before = tables(self.site)
        self.site.close()
        self.site = open_site(self.folder / "state")
        assert tables(self.site) == before

    # -- a copy of the state folder ------------------------------------------------------------------------------------

    @rule()
    def somebody_keeps_a_copy(self) -> None:
        self.site.close()
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        shutil.copytree(self.folder / "state", self.folder / "copy")
        self.copy = (self.vendor, dict(self.floors), self.time_floor)
        self.site = open_site(self.folder / "state")

    @precondition(lambda self: self.copy is not None)
    @rule()
    def somebody_restores_the_copy(self) -> None:
        """What the site knew since is gone: its floors, its trust's later versions, the challenges it had used up."""
        assert self.copy is not None
        self.site.close()
        shutil.rmtree(self.folder / "state")
        shutil.copytree(self.folder / "copy", self.folder / "state")
        vendor, floors, self.time_floor = self.copy
        self.vendor, self.floors, self.used_tokens = vendor, dict(floors), []
        self.site = open_site(self.folder / "state")


LifeOfASite.TestCase.settings = settings(
    max_examples=70,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLifeOfASite = LifeOfASite.TestCase
