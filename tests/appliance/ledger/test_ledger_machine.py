"""Whatever the order of calls, crashes, power cuts, sealings, exports, lost media, receipts and rebuilt databases: what
the vendor has accepted, what is sealed beyond that and what is not sealed yet are together what happened, once each."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.errors import NothingToExport
from appliance.ledger.journal import Journal
from appliance.ledger.store import take_in
from appliance.operations.ledger import rebuild_ledger
from appliance.operations.usage import drop_old, export_usage, import_receipt, seal_due, seal_now
from appliance.state.site import DATABASE, Site, open_site
from licensing.clock import witness
from licensing.document import format_time
from licensing.usage import COUNT_FIELDS, Counts, Usage, faults_between, faults_within, open_usage
from tests.appliance.entries import begun, entry
from tests.appliance.papers import NOW, receipt_bytes
from tests.appliance.sites import CONSOLE, make_site, on_stick, put_config, put_licence

TMPFS = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
WORKERS = 2


class LedgerMachine(RuleBasedStateMachine):
    @initialize()
    def begin_site(self) -> None:
        self.scratch = Path(tempfile.mkdtemp(dir=TMPFS))
        self.folder = self.scratch / "state"
        self.site: Site = make_site(self.folder)
        put_licence(self.site)
        put_config(self.site)
        self.now = NOW
        self.workers: list[Journal | None] = [None] * WORKERS
        self.open: list[dict[str, bool]] = [{} for _ in range(WORKERS)]
        """What each worker has begun, and whether that is synced."""
        self.unsynced_ends: list[set[str]] = [set() for _ in range(WORKERS)]
        self.happened: dict[str, Counts] = {}
        """The count outside: every exchange that has ended, or was cut off."""
        self.accepted: list[Usage] = []
        self.medium: list[Path] = []
        self.made = self.receipts = 0
        self.cut = False

    def teardown(self) -> None:
        if not hasattr(self, "site"):
            return
        try:
            self._finish()
        finally:
            self.site.close()
            shutil.rmtree(self.scratch)

    def _finish(self) -> None:
        for worker in range(WORKERS):
            self.crash(worker)
        self.take()
        self.now += timedelta(days=3)
        seal_due(self.site, self.now, lead=None)
        out = self.folder.parent / "all"
        out.mkdir()
        files = export_usage(self.site, out, everything=True) if self.made else []
        self._receive([each.path for each in files])
        assert sums(self.accepted) == total(self.happened.values())

    @rule(seconds=st.sampled_from([1, 50, 3600, 50_000, 90_000]))
    def wait(self, seconds: int) -> None:
        """Time goes by, and documents vouch for it."""
        self.now += timedelta(seconds=seconds)
        self.site.raise_time_floor(lambda floor: witness(floor, self.now, "a document"))

    @rule(worker=st.integers(0, WORKERS - 1), count=st.integers(1, 4))
    def calls_begin(self, worker: int, count: int) -> None:
        journal = self.workers[worker]
        if journal is None:
            self.made += 1
            journal = self.workers[worker] = Journal(self.site.journal_folder, f"w{self.made:05}", segment_bytes=1500)
        for _ in range(count):
            self.made += 1
            name = f"x{self.made:05}"
            journal.begin(begun(name, started_at=self._ms()))
            self.open[worker][name] = False

    @rule(worker=st.integers(0, WORKERS - 1), ago=st.sampled_from([0, 0, 30, 80_000]), how_many=st.integers(1, 5))
    def calls_end(self, worker: int, ago: int, how_many: int) -> None:
        journal = self.workers[worker]
        for name in list(self.open[worker])[:how_many]:
            assert journal is not None
            journal.end(entry(name, ended_at=self._ms() - ago * 1000, prompt_tokens=int(name[1:])))
            del self.open[worker][name]
            self.unsynced_ends[worker].add(name)
            self.happened[name] = counts(int(name[1:]))

    @rule(worker=st.integers(0, WORKERS - 1))
    def sync(self, worker: int) -> None:
        journal = self.workers[worker]
        if journal is not None:
            journal.sync()
            self.unsynced_ends[worker].clear()
            self.open[worker] = dict.fromkeys(self.open[worker], True)

    @rule(worker=st.integers(0, WORKERS - 1))
    def crash(self, worker: int) -> None:
        """The process dies; the kernel keeps what it was given. What was open was cut off."""
        journal = self.workers[worker]
        if journal is not None:
            os.close(journal._segment.descriptor)
        self.workers[worker] = None
        for name in self.open[worker]:
            self.happened[name] = CUT_OFF
        self.open[worker].clear()
        self.unsynced_ends[worker].clear()

    @rule(share=st.floats(0, 1), zeros=st.booleans())
    def power_cut(self, share: float, *, zeros: bool) -> None:
        """Of what was not synced, the disk has some share, perhaps with zeros after it."""
        self.cut = True
        unsure = {}
        for worker, journal in enumerate(self.workers):
            if journal is not None:
                for name in self.unsynced_ends[worker]:
                    unsure[name] = {counts(int(name[1:])), CUT_OFF, None}
                for name, synced in self.open[worker].items():
                    unsure[name] = {CUT_OFF} if synced else {CUT_OFF, None}
                self._lose_tail(journal, share, zeros=zeros)
            self.open[worker].clear()
            self.crash(worker)
        take_in(self.site.database, self.site.journal_folder, self.now)
        found = {row["id"]: _counts_of(row) for row in self.site.database.execute("SELECT * FROM ledger")}
        for name, allowed in unsure.items():
            assert found.get(name) in allowed, f"{name} became {found.get(name)}"
            self.happened.pop(name, None)
            if (became := found.get(name)) is not None:
                self.happened[name] = became

    def _lose_tail(self, journal: Journal, share: float, *, zeros: bool) -> None:
        segment = journal._segment
        unsynced = sum(map(len, journal._undurable))
        kept = segment.size - unsynced + int(unsynced * share)
        os.truncate(segment.file, kept)
        if zeros and kept < segment.size:
            os.truncate(segment.file, segment.size)

    @rule()
    def take(self) -> None:
        take_in(self.site.database, self.site.journal_folder, self.now)

    @rule(closing_day=st.booleans())
    def seal(self, *, closing_day: bool) -> None:
        self.wait(1)
        (seal_now if closing_day else seal_due)(self.site, self.now, lead=None)

    @rule()
    def export(self) -> None:
        out = self.folder.parent / f"medium-{self.made}-{len(self.medium)}"
        out.mkdir(exist_ok=True)
        try:
            self.medium = [each.path for each in export_usage(self.site, out)]
        except NothingToExport:
            self.medium = []

    @rule()
    def the_medium_is_lost(self) -> None:
        self.medium = []

    @rule(answered=st.booleans())
    def the_vendor_receives(self, *, answered: bool) -> None:
        """Files it knows are no news; a receipt may or may not come back."""
        self._receive(self.medium)
        if answered and self.accepted:
            self.receipts += 1
            last = self.accepted[-1]
            data = receipt_bytes(
                epoch=self.site.epoch,
                serial=self.receipts,
                seq=last.seq,
                head=_digest_of(self.site, last.seq),
                accepted_until=format_time(last.period.end),
                now=NOW,
            )
            import_receipt(self.site, on_stick(self.site, f"r{self.receipts}", data), self.now)

    @rule()
    def old_exchanges_are_dropped(self) -> None:
        drop_old(self.site)

    # What a power cut took from the journal after the ledger had it is in the database alone.
    @precondition(lambda self: self.made > 3 and not self.cut)
    @rule(place=st.floats(0, 0.999), table=st.sampled_from(["ledger", "ledger_sealed", "usage_files", "segments"]))
    def the_database_is_damaged(self, place: float, table: str) -> None:
        """Its page of that table; the journal is all there. Found and rebuilt with the gateway stopped."""
        for worker in range(WORKERS):
            self.crash(worker)
        self.site.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.site.close()
        file = self.folder / DATABASE
        with closing(sqlite3.connect(file)) as db:
            pages = [row[0] for row in db.execute("SELECT pageno FROM dbstat WHERE name = ?", (table,))]
        with file.open("r+b") as raw:
            raw.seek((pages[int(place * len(pages))] - 1) * 4096)
            raw.write(b"\xa5" * 4096)
        rebuild_ledger(self.folder, self.now, CONSOLE)
        self.site = open_site(self.folder)

    @invariant()
    def nothing_is_lost_doubled_or_invented(self) -> None:
        if not hasattr(self, "site"):
            return
        take_in(self.site.database, self.site.journal_folder, self.now)
        unsealed = self.site.database.execute("SELECT * FROM ledger WHERE seq IS NULL").fetchall()
        files = [open_usage(each, self.site.key.public_key).claims for each in _sealed(self.site)]
        before = None
        for usage in files:
            assert [*faults_within(usage), *faults_between(before, usage)] == []
            before = usage
        assert sums(files) + total(map(_counts_of, unsealed)) == total(self.happened.values())

    def _receive(self, files: list[Path]) -> None:
        arrived = [open_usage(file.read_bytes(), self.site.key.public_key).claims for file in files]
        for usage in sorted(arrived, key=lambda each: each.seq):
            if usage.seq == len(self.accepted) + 1:
                assert list(faults_between(self.accepted[-1] if self.accepted else None, usage)) == []
                self.accepted.append(usage)
            elif usage.seq <= len(self.accepted):
                assert usage == self.accepted[usage.seq - 1], "a sealed file has changed"

    def _ms(self) -> int:
        return int(self.now.timestamp() * 1000)


def counts(tokens: int) -> Counts:
    return Counts(requests=1, prompt_tokens=tokens, completion_tokens=5, cached_tokens=2)


CUT_OFF = Counts(requests=1, interrupted=1, estimated_prompt_tokens=7)


def _counts_of(row: sqlite3.Row) -> Counts:
    summed: dict[str, Any] = {name: row[name] for name in COUNT_FIELDS if name.endswith("_tokens")}
    return Counts(requests=1, interrupted=int(row["outcome"] == "interrupted"), **summed)


def total(each: Any) -> Counts:
    return sum(each, Counts())


def sums(files: list[Usage]) -> Counts:
    return total(delta for usage in files for delta in usage.deltas.values())


def _sealed(site: Site) -> list[bytes]:
    return [bytes(row["bytes"]) for row in site.database.execute("SELECT bytes FROM usage_files ORDER BY seq")]


def _digest_of(site: Site, seq: int) -> str:
    return str(site.database.execute("SELECT digest FROM usage_files WHERE seq = ?", (seq,)).fetchone()["digest"])


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
