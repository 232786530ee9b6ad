"""From the journal into the ledger: each exchange once, as its own entry or as interrupted."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ledger.entry import Outcome
from appliance.ledger.journal import SUFFIX, Journal, segments
from appliance.ledger.store import Taken, take_in
from appliance.state.database import open_database
from appliance.state.site import Site
from tests.appliance.entries import begun, entry, line_bytes, outcomes, record, write_segment
from tests.appliance.papers import NOW
from tests.appliance.sites import make_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path / "state")
    yield made
    made.close()


def take(site: Site) -> Taken:
    return take_in(site.database, site.journal_folder, NOW)


def anomalies(site: Site) -> list[str]:
    return [
        row["detail"] for row in site.database.execute("SELECT detail FROM anomalies WHERE code = 'journal_damaged'")
    ]


def test_every_column_of_an_entry_is_in_the_ledger(site: Site) -> None:
    made = entry(
        "a",
        first_token_ms=None,
        cached_tokens=3,
        endpoint="embeddings",
        outcome=Outcome.CLIENT_GONE,
        source="10.0.0.0/24",
    )
    record(site, made, name="w")
    take(site)
    row = dict(site.database.execute("SELECT * FROM ledger").fetchone())
    assert row.pop("seq") is None
    assert row == {name: getattr(made, name) for name in made.__struct_fields__ if name not in ("cost", "source")}


def test_taking_in_twice_changes_nothing(site: Site) -> None:
    record(site, entry("a"), entry("b"), name="w")
    write_segment(site.journal_folder, "x", [begun("c")])
    assert take(site) == Taken(entries=3, interrupted=1)
    before = site.database.execute("SELECT * FROM ledger").fetchall()
    assert take(site) == Taken()
    assert site.database.execute("SELECT * FROM ledger").fetchall() == before


def test_the_entries_of_a_living_worker_come_in_as_they_are_written(site: Site) -> None:
    journal = Journal(site.journal_folder, "w")
    journal.begin(begun("a"))
    journal.begin(begun("b"))
    assert take(site) == Taken()
    journal.end(entry("a"))
    assert take(site) == Taken(entries=1)
    assert outcomes(site) == {"a": "complete"}
    journal.end(entry("b"))
    journal.close()
    assert take(site) == Taken(entries=1)
    assert outcomes(site) == {"a": "complete", "b": "complete"}


def test_a_call_whose_worker_died_is_interrupted(site: Site) -> None:
    journal = Journal(site.journal_folder, "w")
    journal.begin(begun("a"))
    take(site)
    journal.close()
    assert take(site) == Taken(entries=1, interrupted=1)
    assert outcomes(site) == {"a": "interrupted"}


def test_a_segment_that_is_read_while_it_is_born_is_not_forgotten(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The taker may come between the making of a segment and the lock on it; what is written afterwards counts."""
    real = fcntl.flock
    early: list[Taken] = []

    def flock(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX | fcntl.LOCK_NB and not early:
            early.append(Taken())
            with closing(open_database(site.folder / "ao.db")) as database:
                early[0] = take_in(database, site.journal_folder, NOW)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    journal = Journal(site.journal_folder, "w")
    monkeypatch.undo()
    assert early == [Taken()]
    journal.begin(begun("a"))
    journal.end(entry("a"))
    journal.close()
    take(site)
    assert outcomes(site) == {"a": "complete"}


@pytest.mark.parametrize("tail", [1, 20, 300])
def test_the_torn_last_line_of_a_dead_worker_is_noted(site: Site, tail: int) -> None:
    segment = write_segment(site.journal_folder, "w", [begun("a"), entry("a"), begun("b")])
    with segment.open("ab") as stream:
        stream.write(line_bytes(entry("b"))[:tail])
    assert take(site) == Taken(entries=2, interrupted=1, damaged=1)
    assert outcomes(site) == {"a": "complete", "b": "interrupted"}
    assert len(anomalies(site)) == 1


def test_damage_in_the_middle_is_noted_and_costs_only_its_own_line(site: Site) -> None:
    lines = [line_bytes(each) for each in (begun("a"), entry("a"), begun("b"), entry("b"))]
    lines[1] = lines[1].replace(b"complete", b"complexe")
    (site.journal_folder / f"w{SUFFIX}").write_bytes(b"".join(lines))
    assert take(site) == Taken(entries=2, interrupted=1, damaged=1)
    assert outcomes(site) == {"a": "interrupted", "b": "complete"}
    assert len(anomalies(site)) == 1
    assert f"w{SUFFIX}" in anomalies(site)[0]


def test_a_block_of_zeros_left_by_a_power_cut_hides_nothing_behind_it(site: Site) -> None:
    data = line_bytes(entry("a")) + bytes(5 * 1024 * 1024) + b"\n" + line_bytes(entry("b"))
    (site.journal_folder / f"w{SUFFIX}").write_bytes(data)
    take(site)
    assert outcomes(site) == {"a": "complete", "b": "complete"}
    assert anomalies(site)


def test_counts_beyond_all_measure_do_not_stop_the_books(site: Site) -> None:
    """Whatever a line says, the lines after it come in, and the oddity is told."""
    record(site, entry("a", prompt_tokens=2**63), name="w1")
    record(site, entry("b"), name="w2")
    take(site)
    assert outcomes(site)["b"] == "complete"


def test_a_journal_folder_that_is_gone_is_a_refusal(site: Site) -> None:
    from licensing.errors import Refusal

    shutil.rmtree(site.journal_folder)
    with pytest.raises(Refusal):
        take(site)


class Office:
    """A site with one worker at a time, as a sequence of acts drives it."""

    def __init__(self, folder: Path) -> None:
        self.site = make_site(folder)
        self._worker = 0
        self._number = 0
        self.open: list[str] = []
        self.expected: dict[str, str] = {}
        self.journal = self._hire()

    def _hire(self) -> Journal:
        self._worker += 1
        return Journal(self.site.journal_folder, f"w{self._worker:03}", segment_bytes=900)

    def begin(self, _: int) -> None:
        self._number += 1
        name = f"x{self._number:03}"
        self.journal.begin(begun(name))
        self.open.append(name)
        self.expected[name] = "interrupted"

    def end(self, which: int) -> None:
        if self.open:
            name = self.open.pop(which % len(self.open))
            self.journal.end(entry(name))
            self.expected[name] = "complete"

    def kill(self, _: int) -> None:
        self.journal.close()
        self.open.clear()
        self.journal = self._hire()

    def take(self, _: int) -> None:
        take(self.site)

    def close(self) -> None:
        self.journal.close()
        take(self.site)


ACTS = st.lists(
    st.tuples(st.sampled_from(["begin", "begin", "begin", "end", "end", "kill", "take"]), st.integers(0, 9)),
    max_size=60,
)


@given(ACTS)
@settings(max_examples=40, deadline=None)
def test_each_exchange_ends_in_the_ledger_once(acts: list[tuple[str, int]]) -> None:
    """Over any sequence of beginnings, ends, full segments, deaths and takings-in."""
    with TemporaryDirectory() as folder:
        office = Office(Path(folder) / "state")
        for act, which in acts:
            method: Any = getattr(office, act)
            method(which)
        office.close()
        assert outcomes(office.site) == office.expected
        assert len(segments(office.site.journal_folder)) >= 1
        office.site.close()
