"""Periods become files that add up, follow on without a gap, and stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.ledger.entry import Outcome
from appliance.ledger.seal import Sealed, due_periods, last_usage, open_since, running_period, sealed_files
from appliance.operations import usage as operations
from appliance.operations.usage import export_usage, seal_now
from appliance.state.site import Site
from licensing.document import parse_time
from licensing.usage import Counts, Period, Usage, faults_between, faults_within, open_usage
from tests.appliance.entries import entry, record
from tests.appliance.papers import NOW
from tests.appliance.sites import make_site, put_config, put_licence


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Made at noon on the 24th of November."""
    made = make_site(tmp_path / "state")
    put_licence(made)
    put_config(made)
    yield made
    made.close()


def seal_due(site: Site, now: datetime) -> list[Sealed]:
    """As with a clock that is believed: how far it is, is told in test_life_time."""
    return operations.seal_due(site, now, lead=None)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


def ms(text: str) -> int:
    return int(at(text).timestamp() * 1000)


def usages(site: Site) -> list[Usage]:
    """Every file, opened as the vendor would; the arithmetic between and within them holds."""
    files = [open_usage(each.data, site.key.public_key).claims for each in sealed_files(site.database)]
    before: Usage | None = None
    for usage in files:
        assert list(faults_within(usage)) == []
        assert list(faults_between(before, usage)) == []
        before = usage
    return files


def names(sealed: list[Sealed]) -> list[str]:
    return [each.name for each in sealed]


def test_the_first_period_starts_when_the_site_was_made(site: Site) -> None:
    assert open_since(site) == NOW
    (sealed,) = seal_due(site, at("25T00:05:00"))
    assert (sealed.seq, sealed.name) == (1, "usage-2026-11-24.signed.json")
    assert (sealed.period.start, sealed.period.end) == (NOW, at("25T00:00:00"))
    assert usages(site)[0].previous is None


def test_a_day_stays_open_five_minutes_after_midnight(site: Site) -> None:
    assert seal_due(site, at("25T00:04:59")) == []
    assert len(seal_due(site, at("25T00:05:00"))) == 1


def test_days_on_which_nothing_happened_or_nobody_looked_have_their_files(site: Site) -> None:
    record(site, entry("a", ended_at=ms("27T08:00:00")), name="w")
    sealed = seal_due(site, at("29T09:00:00"))
    assert names(sealed) == [f"usage-2026-11-{day}.signed.json" for day in (24, 25, 26, 27, 28)]
    assert [usage.tree.size for usage in usages(site)] == [0, 0, 0, 1, 0]
    assert [usage.seq for usage in usages(site)] == [1, 2, 3, 4, 5]


def test_a_day_closed_early_is_continued_in_a_file_of_its_own(site: Site) -> None:
    record(site, entry("a", ended_at=ms("24T13:00:00")), name="w1")
    first = seal_now(site, at("24T14:00:00"))
    record(site, entry("b", ended_at=ms("24T15:00:00")), name="w2")
    second = seal_now(site, at("24T16:00:00"))
    third = seal_due(site, at("25T01:00:00"))
    assert names([*first, *second, *third]) == [
        "usage-2026-11-24.signed.json",
        "usage-2026-11-24.2.signed.json",
        "usage-2026-11-24.3.signed.json",
    ]
    assert [usage.tree.size for usage in usages(site)] == [1, 1, 0]


def test_a_second_sealing_in_the_same_second_makes_no_empty_period(site: Site) -> None:
    assert len(seal_now(site, at("24T14:00:00"))) == 1
    assert seal_now(site, at("24T14:00:00")) == []


def test_an_exchange_belongs_to_the_period_it_ends_in(site: Site) -> None:
    """Half-open: one that ends at midnight is the next day's."""
    last, first = ms("25T00:00:00") - 1, ms("25T00:00:00")
    record(site, entry("a", ended_at=last), entry("b", ended_at=first), name="w")
    seal_due(site, at("26T12:00:00"))
    assert [usage.tree.size for usage in usages(site)] == [1, 1]


def test_closing_a_day_exactly_at_midnight_ends_it_there(site: Site) -> None:
    (sealed,) = seal_now(site, at("25T00:00:00"))
    assert sealed.period.end == at("25T00:00:00")
    assert names(seal_now(site, at("25T00:00:01"))) == ["usage-2026-11-25.signed.json"]


def test_what_comes_late_is_counted_in_the_next_file_and_told(site: Site) -> None:
    seal_due(site, at("25T00:05:00"))
    record(site, entry("late", ended_at=ms("24T23:59:59")), entry("own", ended_at=ms("25T10:00:00")), name="w")
    seal_due(site, at("26T01:00:00"))
    before, after = usages(site)
    assert (before.tree.size, after.tree.size) == (0, 2)
    (anomaly,) = after.anomalies
    assert anomaly.code == "late_entries"
    assert "2026-11-24T23:59:59Z" in anomaly.detail


def test_rows_count_what_the_ledger_holds_and_keep_estimates_apart(site: Site) -> None:
    guess = {"prompt_tokens": 0, "completion_tokens": 0, "cached_tokens": 0}
    record(
        site,
        entry("a", prompt_tokens=100, completion_tokens=10, cached_tokens=60),
        entry("b", outcome=Outcome.CLIENT_GONE, estimated_prompt_tokens=9, estimated_completion_tokens=4, **guess),
        entry("c", outcome=Outcome.UPSTREAM_FAILED, status=502, **guess),
        entry("d", outcome=Outcome.UPSTREAM_REFUSED, status=400, **guess),
        entry("e", outcome=Outcome.FAULT, status=500, **guess),
        entry("f", outcome=Outcome.INTERRUPTED, estimated_prompt_tokens=3, **guess),
        entry("g", model="other", prompt_tokens=1, completion_tokens=1, cached_tokens=0),
        name="w",
    )
    seal_now(site, at("24T14:00:00"))
    (usage,) = usages(site)
    chat = Counts(
        requests=6,
        errors=3,
        interrupted=1,
        prompt_tokens=100,
        completion_tokens=10,
        cached_tokens=60,
        estimated_prompt_tokens=12,
        estimated_completion_tokens=4,
    )
    assert usage.deltas == {"chat": chat, "other": Counts(requests=1, prompt_tokens=1, completion_tokens=1)}
    assert [(row.model, row.counts.requests) for row in usage.rows] == [("chat", 6), ("other", 1)]


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [
        ([7], (7, 7, 7)),
        ([1, 2], (1, 2, 2)),
        ([3, 1, 2], (2, 3, 3)),
        (list(range(1, 101)), (50, 95, 99)),
        (list(range(1, 102)), (51, 96, 100)),
    ],
)
def test_percentiles_are_by_nearest_rank(site: Site, latencies: list[int], expected: tuple[int, int, int]) -> None:
    record(site, *(entry(f"x{n}", latency_ms=each) for n, each in enumerate(latencies)), name="w")
    seal_now(site, at("24T14:00:00"))
    latency = usages(site)[0].rows[0].latency_ms
    assert (latency.p50, latency.p95, latency.p99) == expected


def test_registers_rise_and_are_kept_where_nothing_happens(site: Site) -> None:
    record(site, entry("a", prompt_tokens=5), name="w1")
    seal_now(site, at("24T13:00:00"))
    record(site, entry("b", model="other", ended_at=ms("24T13:30:00")), name="w2")
    seal_now(site, at("24T14:00:00"))
    record(site, entry("c", prompt_tokens=8, ended_at=ms("24T14:30:00")), name="w3")
    seal_now(site, at("24T15:00:00"))
    chat = [usage.registers["chat"].prompt_tokens for usage in usages(site)]
    assert chat == [5, 5, 13]


def test_files_chain_and_name_licence_config_and_admissions(site: Site) -> None:
    record(site, entry("a"), entry("b", config_serial=2), name="w")
    first, second = seal_now(site, at("24T13:00:00"))[0], seal_now(site, at("24T14:00:00"))[0]
    usage = usages(site)[0]
    assert usages(site)[1].previous == first.digest
    assert last_usage(second) == usages(site)[1]
    assert (usage.licence_serial, usage.config_serial, usage.epoch, usage.site) == (1, 1, site.epoch, site.id)
    assert [(each.config_serial, each.requests) for each in usage.admissions] == [(1, 1), (2, 1)]


def test_starts_stops_and_clock_steps_are_told(site: Site) -> None:
    runs = [("2026-11-24T12:30:00Z", "2026-11-24T13:00:00Z"), ("2026-11-24T13:30:00Z", None)]
    site.database.executemany("INSERT INTO runs (started, stopped) VALUES (?, ?)", runs)
    site.database.execute("INSERT INTO clock_steps (at, seconds) VALUES ('2026-11-24T12:45:00Z', -3600)")
    seal_now(site, at("24T14:00:00"))
    (usage,) = usages(site)
    assert [(run.started, run.stopped) for run in usage.runs] == [
        (parse_time(start), parse_time(stop) if stop else None) for start, stop in runs
    ]
    assert [(step.at, step.seconds) for step in usage.clock.steps] == [(at("24T12:45:00"), -3600)]


def test_damage_to_the_journal_is_told_once(site: Site) -> None:
    (site.journal_folder / "w.journal").write_bytes(b"garbage\n")
    seal_now(site, at("24T14:00:00"))
    seal_now(site, at("24T15:00:00"))
    told = [[anomaly.code for anomaly in usage.anomalies] for usage in usages(site)]
    # It was noticed in the second of sealing, and so belongs to the period that starts then.
    assert sorted(map(len, told)) == [0, 1]
    assert "journal_damaged" in told[0] + told[1]


def test_exporting_twice_gives_the_same_bytes(site: Site, tmp_path: Path) -> None:
    record(site, entry("a"), name="w")
    seal_now(site, at("24T14:00:00"))
    seal_due(site, at("26T01:00:00"))
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        export_usage(site, tmp_path / name)
    export_usage(site, tmp_path / "first")
    first = {file.name: file.read_bytes() for file in (tmp_path / "first").iterdir()}
    second = {file.name: file.read_bytes() for file in (tmp_path / "second").iterdir()}
    assert first == second
    assert len(first) == 3


def test_periods_that_are_due_follow_on_and_never_cross_midnight() -> None:
    periods = list(due_periods(at("24T12:00:00"), at("27T00:05:00")))
    assert [each.start for each in periods] == [at("24T12:00:00"), at("25T00:00:00"), at("26T00:00:00")]
    assert [each.end for each in periods] == [at("25T00:00:00"), at("26T00:00:00"), at("27T00:00:00")]


@pytest.mark.parametrize("now", ["24T12:00:00", "24T11:00:00", "25T00:00:01"])
def test_a_running_period_has_a_length_and_ends_by_midnight(now: str) -> None:
    assert running_period(at("24T12:00:00"), at(now)) is None


def test_a_running_period_ends_at_this_second() -> None:
    now = at("24T12:00:01").replace(microsecond=999_999)
    assert running_period(at("24T12:00:00"), now) == Period(start=at("24T12:00:00"), end=at("24T12:00:01"))
