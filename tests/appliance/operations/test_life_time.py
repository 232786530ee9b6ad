"""Clocks that are wrong: poisoned floors and the tokens that repair them, dead clocks, reports that are late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import AlreadyInitialised
from appliance.ledger.seal import last_sealed, sealed_files
from appliance.operations.licence import import_licence, standing
from appliance.operations.site import initialise, request_document
from appliance.operations.status import status
from appliance.operations.time import Repaired, import_time_token
from appliance.operations.usage import export_usage, held_back, import_receipt, read_usage_file, seal_due, seal_now
from appliance.state.site import CHALLENGE_BYTES, ENTROPY_BYTES, Site, create_site, open_site
from licensing.clock import BOOT_ALLOWANCE, Step, TimeFloor
from licensing.document import format_time
from licensing.errors import Refusal
from licensing.site_request import open_site_request
from licensing.standing import Rung
from licensing.version import BUILD_TIME
from tests.appliance.cli.commands import ao
from tests.appliance.entries import entry, record
from tests.appliance.operations.test_life_papers import (
    follow,
    refusal_of,
    refused,
    roles,
    token_bytes,
)
from tests.appliance.papers import NOW, SITE, entropy, licence_bytes, receipt_bytes, trust_bytes
from tests.appliance.sites import CONSOLE, licensed_site, make_site, on_stick, put_licence

POISON = datetime(2099, 1, 1, tzinfo=UTC)
DEAD_CLOCKS = [datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC), datetime(2000, 1, 1, 0, 0, 7, tzinfo=UTC), BUILD_TIME]
THREE_MONTHS = timedelta(days=92)
BACK = NOW + THREE_MONTHS
"""The true time at which a host comes back that was off for three months."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state")
    yield made
    made.close()


def bring_token(site: Site, data: bytes, *, now: datetime = NOW, fresh: str = "fresh") -> Repaired:
    return import_time_token(site, on_stick(site, "time.json", data), now=now, entropy=entropy(fresh, CHALLENGE_BYTES))


@pytest.fixture
def poisoned(site: Site) -> Site:
    site.raise_time_floor(lambda _: TimeFloor(POISON, "a clock gone wild"))
    assert standing(site, NOW).rung is Rung.CLOCK_UNTRUSTED
    return site


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_a_token_repairs_a_poisoned_floor(poisoned: Site) -> None:
    assert bring_token(poisoned, token_bytes(poisoned)).floor.at == NOW
    assert poisoned.time_floor() == TimeFloor(NOW, "a time token")
    assert refusal_of(poisoned) is None


def test_a_repaired_floor_stays_repaired(poisoned: Site) -> None:
    bring_token(poisoned, token_bytes(poisoned))
    again = open_site(poisoned.folder)
    again.observe_boot("another-boot", NOW, BOOT_ALLOWANCE)
    assert again.time_floor().at == NOW
    again.close()


def test_a_repaired_floor_stays_repaired_when_an_old_paper_comes_again(site: Site) -> None:
    put_licence(site, serial=2, now=NOW, issued_at=format_time(POISON))
    assert standing(site, NOW).rung is Rung.CLOCK_UNTRUSTED
    bring_token(site, token_bytes(site))
    put_licence(site, serial=2, now=NOW, issued_at=format_time(POISON))
    assert site.time_floor().at == NOW
    assert refusal_of(site) is None


def test_a_token_works_once(poisoned: Site) -> None:
    data = token_bytes(poisoned)
    bring_token(poisoned, data)
    poisoned.raise_time_floor(lambda _: TimeFloor(POISON, "a clock gone wild again"))
    with refused(poisoned, "document_audience") as caught:
        bring_token(poisoned, data, fresh="another")
    assert "it was used" in caught.value.message
    assert "ao site request" in caught.value.remedy


def test_each_token_answers_a_challenge_of_its_own(poisoned: Site) -> None:
    first = poisoned.challenge
    bring_token(poisoned, token_bytes(poisoned))
    assert poisoned.challenge != first
    assert open_site_request(request_document(poisoned, NOW)).claims.challenge == poisoned.challenge
    poisoned.raise_time_floor(lambda _: TimeFloor(POISON, "a clock gone wild again"))
    bring_token(poisoned, token_bytes(poisoned, serial=2), fresh="another")
    assert refusal_of(poisoned) is None


def test_a_token_in_stock_is_none(poisoned: Site) -> None:
    """Two tokens for one challenge: the second died with it, although its serial is higher."""
    first, stocked = token_bytes(poisoned), token_bytes(poisoned, serial=2, at=NOW - timedelta(days=300))
    bring_token(poisoned, first)
    with refused(poisoned, "document_audience"):
        bring_token(poisoned, stocked)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"site": "another-site"}, "document_audience"),
        ({"epoch": 1}, "document_audience"),
        ({"challenge": "0" * 32}, "document_audience"),
        ({"challenge": "0" * 31}, "document_malformed"),
        ({"signer": "licence-1"}, "signature_refused"),
        ({"signer": "receipt-1"}, "signature_refused"),
        ({"kind": "receipt"}, "document_kind"),
        ({"expires_at": "2027-01-01T00:00:00Z"}, "document_malformed"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_a_token_for_or_by_somebody_else_repairs_nothing(poisoned: Site, changes: dict[str, Any], code: str) -> None:
    with refused(poisoned, code):
        bring_token(poisoned, token_bytes(poisoned, **changes))


def test_without_the_role_nobody_can_repair_a_floor(tmp_path: Path) -> None:
    site = create_site(
        tmp_path / "state",
        site=SITE,
        name="Ward",
        trust=trust_bytes(role_keys=roles(time=None)),
        now=NOW,
        build_time=NOW,
        entropy=entropy("no time role", ENTROPY_BYTES),
    )
    with refused(site, "signature_refused") as caught:
        bring_token(site, token_bytes(site))
    assert "nobody the role 'time'" in caught.value.message
    site.close()


def test_a_token_of_an_old_serial_is_refused_even_for_the_present_challenge(poisoned: Site) -> None:
    bring_token(poisoned, token_bytes(poisoned, serial=5))
    with refused(poisoned, "serial_refused"):
        bring_token(poisoned, token_bytes(poisoned, serial=4), fresh="another")


def test_poison_comes_in_with_a_paper_dated_far_ahead_and_goes_with_a_token(site: Site) -> None:
    put_licence(site, serial=2, issued_at=format_time(POISON))
    assert refusal_of(site) == "clock_untrusted"
    assert "licence document with serial 2" in standing(site, NOW).sentence
    done = bring_token(site, token_bytes(site))
    assert [(each.slot, each.serial, each.issued_at) for each in done.ahead] == [("licence", 2, POISON)], "named"
    assert done.before.at == POISON
    assert refusal_of(site) is None


def test_a_token_that_nothing_in_force_contradicts_warns_of_nothing(poisoned: Site) -> None:
    assert bring_token(poisoned, token_bytes(poisoned)).ahead == ()


def test_a_token_of_an_hour_before_the_papers_in_force_names_each_of_them(poisoned: Site) -> None:
    """Lower than the vendor's own dates: it is believed, because either may be wrong, and a person is told."""
    done = bring_token(poisoned, token_bytes(poisoned, at=NOW - timedelta(days=2)))
    assert {each.slot for each in done.ahead} == {"licence", "config"}
    assert all(each.issued_at > done.floor.at for each in done.ahead)


def test_a_lowering_below_a_paper_in_force_is_told_on_the_command_line(poisoned: Site) -> None:
    token = on_stick(poisoned, "early.json", token_bytes(poisoned, at=NOW - timedelta(days=2)))
    said = ao("time", "import", str(token), state=poisoned.folder)
    assert said.code == 0
    assert "Warning: the licence in force, serial 1, is dated" in said.out
    assert "date -u -s '2026-11-22 12:00:00'" in said.out


def test_one_challenge_stands_in_every_request_until_a_token_has_answered_it(poisoned: Site) -> None:
    """So a request that was carried twice, or first by somebody else, voids no token that is under way."""
    first, second = (open_site_request(request_document(poisoned, NOW)).claims for _ in range(2))
    assert first.challenge == second.challenge == poisoned.challenge
    bring_token(poisoned, token_bytes(poisoned))
    assert open_site_request(request_document(poisoned, NOW)).claims.challenge != first.challenge


# -- a clock that is dead ----------------------------------------------------------------------------------------------


@pytest.fixture
def long_off(site: Site) -> Site:
    """The site as it was three months ago, when it had been seen at work."""
    site.raise_time_floor(lambda _: TimeFloor(NOW, "this host's clock"))
    return site


@pytest.mark.parametrize("clock", DEAD_CLOCKS, ids=lambda clock: str(clock.year))
def test_a_host_whose_clock_died_serves_nothing_and_says_why(long_off: Site, clock: datetime) -> None:
    long_off.observe_boot("after-the-repair", clock, BOOT_ALLOWANCE)
    found = status(long_off, clock, 0.0, None)
    assert found.standing.rung is Rung.CLOCK_UNTRUSTED
    assert refusal_of(long_off, clock) == "clock_untrusted"
    assert "Set this host's clock" in found.standing.terms.remedy
    assert long_off.time_floor().at == NOW


@pytest.mark.parametrize("clock", DEAD_CLOCKS, ids=lambda clock: str(clock.year))
def test_media_come_in_although_the_clock_is_dead(long_off: Site, clock: datetime) -> None:
    follow(long_off, 2, now=clock)
    put_licence_at(long_off, clock, serial=2, now=BACK)
    assert long_off.in_force("licence").serial == 2  # type: ignore[union-attr]
    assert long_off.time_floor().at == BACK - timedelta(days=1), "and vouch for the time"
    sealed = seal_now(long_off, NOW + timedelta(hours=1))[-1]
    receipt = receipt_bytes(
        epoch=long_off.epoch, seq=sealed.seq, head=sealed.digest, accepted_until=format_time(NOW), now=BACK
    )
    import_receipt(long_off, on_stick(long_off, "r.json", receipt), clock)
    (long_off.folder.parent / "out").mkdir()
    assert export_usage(long_off, long_off.folder.parent / "out", everything=True)


def put_licence_at(site: Site, clock: datetime, *, serial: int, now: datetime) -> None:
    """Issued when it is `now` at the vendor, imported when this host believes that it is `clock`."""
    data = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, now=now, serial=serial)
    import_licence(site, on_stick(site, "licence.json", data), clock)


@pytest.mark.parametrize("clock", DEAD_CLOCKS, ids=lambda clock: str(clock.year))
def test_setting_the_clock_is_the_whole_way_out(long_off: Site, clock: datetime) -> None:
    long_off.observe_boot("dead", clock, BOOT_ALLOWANCE)
    assert refusal_of(long_off, clock) == "clock_untrusted"
    assert refusal_of(long_off, BACK) is None


@pytest.mark.parametrize("clock", DEAD_CLOCKS, ids=lambda clock: str(clock.year))
def test_a_token_does_not_wind_the_floor_back_to_a_dead_clock(long_off: Site, clock: datetime) -> None:
    """It vouches for the true hour; the clock has still to be set."""
    bring_token(long_off, token_bytes(long_off, at=BACK), now=clock)
    assert refusal_of(long_off, clock) == "clock_untrusted"
    assert refusal_of(long_off, BACK) is None


@pytest.mark.parametrize("clock", DEAD_CLOCKS, ids=lambda clock: str(clock.year))
def test_a_request_written_under_a_dead_clock_can_be_read_or_is_refused(long_off: Site, clock: datetime) -> None:
    """A token is asked for with it, so it is just then that it must work."""
    try:
        request = request_document(long_off, clock)
    except Refusal:
        return
    assert open_site_request(request).claims.challenge == long_off.challenge


@pytest.mark.parametrize("clock", DEAD_CLOCKS, ids=lambda clock: str(clock.year))
def test_a_step_to_a_dead_clock_does_not_stop_the_sealing(long_off: Site, clock: datetime) -> None:
    long_off.record_step(Step(clock, round((clock - NOW).total_seconds())))
    later = NOW + timedelta(days=1, hours=1)
    assert len(seal_due(long_off, later, lead=None)) == 1


@pytest.mark.parametrize("clock", DEAD_CLOCKS[:2], ids=lambda clock: str(clock.year))
def test_a_site_is_not_made_under_a_clock_that_is_earlier_than_the_release(tmp_path: Path, clock: datetime) -> None:
    """Its epoch, and the start of its usage, are that moment: every day since 1970 would be sealed and be overdue."""
    trust = tmp_path / "trust.json"
    trust.write_bytes(trust_bytes())
    folder = tmp_path / "state"

    def make(now: datetime) -> None:
        initialise(
            folder, site=SITE, name="Ward", trust_file=trust, now=now, entropy=entropy("new", ENTROPY_BYTES), by=CONSOLE
        )

    with pytest.raises(Refusal) as caught:
        make(clock)
    assert not isinstance(caught.value, AlreadyInitialised)
    make(NOW)
    open_site(folder).close()


def test_three_months_off_with_a_clock_that_went_on_is_no_trouble(long_off: Site) -> None:
    long_off.observe_boot("next", BACK, BOOT_ALLOWANCE)
    assert long_off.time_floor().at == NOW + BOOT_ALLOWANCE
    assert refusal_of(long_off, BACK) is None


def test_many_restarts_in_one_boot_earn_no_time(long_off: Site) -> None:
    for _ in range(20):
        long_off.observe_boot("same", POISON, BOOT_ALLOWANCE)
    assert long_off.time_floor().at == NOW + BOOT_ALLOWANCE


def test_a_clock_that_ran_ahead_for_a_while_does_not_keep_later_usage_from_being_sealed(site: Site) -> None:
    """The gateway seals by itself every minute. Two years ahead for one look, and then set right."""
    ahead = NOW + timedelta(days=730)
    site.record_step(Step(ahead, 730 * 86_400))
    seal_due(site, ahead)
    site.record_step(Step(NOW + timedelta(minutes=2), -730 * 86_400))
    tomorrow = NOW + timedelta(days=1)
    record(site, entry("real", ended_at=int(tomorrow.timestamp() * 1000)), name="w")
    site.raise_time_floor(lambda _: TimeFloor(tomorrow + timedelta(hours=1), "this host's clock"))
    seal_now(site, tomorrow + timedelta(hours=1))
    last = last_sealed(site.database)
    assert last is not None
    assert last.period.end <= tomorrow + timedelta(hours=1)
    assert site.database.execute("SELECT seq FROM ledger WHERE id = 'real'").fetchone()["seq"] == last.seq


# -- reports that are late ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("duty", "serves"), [("warn", True), ("block", False)])
def test_a_late_report_warns_or_blocks_as_the_licence_says(site: Site, duty: str, serves: bool) -> None:
    put_licence(site, serial=2, usage={"report_every_days": 30, "when_overdue": duty})
    in_time, late = NOW + timedelta(days=30, seconds=300), NOW + timedelta(days=30, seconds=301)
    assert standing(site, NOW + timedelta(days=22)).warnings == ()
    [coming] = standing(site, in_time).warnings
    assert "due by" in coming
    assert refusal_of(site, in_time) is None
    found = standing(site, late)
    assert found.terms.serves is serves
    assert found.rung is (Rung.VALID if serves else Rung.USAGE_OVERDUE)
    assert "every 30 days" in " ".join((*found.warnings, found.sentence))
    assert refusal_of(site, late) == (None if serves else "usage_overdue")


def test_the_way_out_of_a_block_is_open_while_it_lasts(site: Site, tmp_path: Path) -> None:
    put_licence(site, serial=2, usage={"report_every_days": 30, "when_overdue": "block"})
    late = NOW + timedelta(days=40)
    assert held_back(site, late) == 40, "the host was off, and its clock is not believed by itself"
    seal_due(site, late, lead=None)
    (tmp_path / "out").mkdir()
    export_usage(site, tmp_path / "out")
    last = sealed_files(site.database)[-1]
    receipt = receipt_bytes(
        epoch=site.epoch, seq=last.seq, head=last.digest, accepted_until=format_time(last.period.end), now=late
    )
    import_receipt(site, on_stick(site, "r.json", receipt), late)
    assert refusal_of(site, late) is None


def test_a_new_licence_comes_in_while_a_report_blocks(site: Site) -> None:
    put_licence(site, serial=2, usage={"report_every_days": 30, "when_overdue": "block"})
    late = NOW + timedelta(days=40)
    assert refusal_of(site, late) == "usage_overdue"
    put_licence(site, now=late, serial=3)
    assert refusal_of(site, late) is None


def test_a_new_site_has_its_first_period_before_it_is_late(tmp_path: Path) -> None:
    site = make_site(tmp_path / "state")
    put_licence(site, usage={"report_every_days": 1, "when_overdue": "block"})
    assert standing(site, NOW + timedelta(hours=23)).terms.serves
    site.close()


def test_a_sealed_file_names_the_floor_of_its_time(site: Site, tmp_path: Path) -> None:
    seal_now(site, NOW + timedelta(hours=1))
    (tmp_path / "out").mkdir()
    written = export_usage(site, tmp_path / "out")[0].path
    assert read_usage_file(site, written).clock.floor == site.time_floor().at
