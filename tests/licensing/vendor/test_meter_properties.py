"""Both sides believe the same meter: whatever happens on the way, what is accepted is what was served, less what is
still unsealed.

The site is a model: calls end in a journal, which reaches the ledger late after a crash; days are sealed; files are
copied to media, which get lost, come twice, or come out of order; keys change. The arithmetic of sealing
(`licensing.usage`) and the reconciler are the real ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from licensing.merkle import root_of
from licensing.usage import Counts, Latency, Row, Usage
from licensing.vendor.findings import Chain, Outcome, SiteView, Verdict
from licensing.vendor.reconcile import reconcile
from tests.licensing.vendor.simulated_site import DAY, FIRST_DAY, SimulatedSite, SiteKey

MODELS = ("small", "large")
Call = tuple[str, int, datetime]
"""Model, prompt tokens, and when it ended."""


def rows_of(calls: Iterable[Call]) -> tuple[Row, ...]:
    table: dict[str, list[int]] = {}
    for model, tokens, _ in calls:
        table.setdefault(model, []).append(tokens)
    return tuple(
        Row(
            org="works",
            team="t",
            key="k",
            model=model,
            provider="local",
            counts=Counts(requests=len(tokens), prompt_tokens=sum(tokens)),
            latency_ms=Latency(p50=1, p95=1, p99=1),
            entries_root=root_of(b"%d" % each for each in tokens),
        )
        for model, tokens in sorted(table.items())
    )


class Meter(RuleBasedStateMachine):
    media: Bundle[tuple[int, ...]] = Bundle("media")

    @initialize()
    def begin(self) -> None:
        self.site = SimulatedSite()
        self.now = FIRST_DAY
        self.running: list[tuple[str, int]] = []
        self.journal: list[Call] = []
        self.ledger: list[Call] = []
        self.sealed: list[bytes] = []
        self.receipt = 0
        self.keys = 1
        # What a count held outside the site knows: calls begun and not still running.
        self.outside: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        chain = Chain(1, self.site.site, 1, self.site.key.public_key)
        self.view = SiteView(self.site.site, (chain,), frozenset({("lic", 1, 1)}))
        self.accepted: dict[int, Usage] = {}

    # -- at the site

    @rule(model=st.sampled_from(MODELS), tokens=st.integers(0, 10**6))
    def a_call_begins(self, model: str, tokens: int) -> None:
        self.running.append((model, tokens))

    @rule(count=st.integers(1, 5), model=st.sampled_from(MODELS), tokens=st.integers(0, 10**6))
    def calls_are_served(self, count: int, model: str, tokens: int) -> None:
        for _ in range(count):
            self._ended(model, tokens)

    @rule()
    def what_runs_ends(self) -> None:
        for model, tokens in self.running:
            self._ended(model, tokens)
        self.running = []

    @rule(noticed=st.integers(0, 50))
    def it_crashes(self, noticed: int) -> None:
        """Calls in flight are cut off, and end when that is noticed, which may be days later: the journal waits."""
        self.now += timedelta(hours=noticed)
        for model, _ in self.running:
            self._ended(model, 0)
        self.running = []

    @rule()
    def the_journal_is_taken_in(self) -> None:
        self.ledger += self.journal
        self.journal = []

    @rule(hours=st.integers(1, 60))
    def time_passes_and_days_are_sealed(self, hours: int) -> None:
        """What is still in the journal then is late, and goes into a later file."""
        self.now += timedelta(hours=hours)
        while self.site.day + DAY <= self.now:
            end = self.site.day.replace(hour=0) + DAY
            due = [call for call in self.ledger if call[2] < end]
            self.ledger = [call for call in self.ledger if call[2] >= end]
            self.sealed.append(self.site.seal(rows_of(due)))

    @rule()
    def the_key_changes(self) -> None:
        self.keys += 1
        self.site.key = SiteKey(f"key {self.keys}")
        chain = Chain(self.keys, self.site.site, 1, self.site.key.public_key)
        older = tuple(replace(each, superseded=True) for each in self.view.chains)
        self.view = replace(self.view, chains=(chain, *older))

    @rule(target=media, only=st.none() | st.integers(0, 50))
    def files_are_exported(self, only: int | None) -> tuple[int, ...]:
        """All that no receipt covers; or a single file, by a hand that copies what it likes."""
        files = range(self.receipt, len(self.sealed))
        return tuple(files) if only is None or not self.sealed else (only % len(self.sealed),)

    # -- on the way

    @rule(medium=consumes(media))
    def a_medium_is_lost(self, medium: tuple[int, ...]) -> None:
        assert all(0 <= number < len(self.sealed) for number in medium)

    @rule(target=media, medium=consumes(media), turned=st.randoms(use_true_random=False))
    def a_medium_is_shuffled_and_copied(
        self, medium: tuple[int, ...], turned: Random
    ) -> MultipleResults[tuple[int, ...]]:
        files = list(medium) * 2
        turned.shuffle(files)
        return multiple(tuple(files), tuple(reversed(medium)))

    # -- at the vendor

    @rule(medium=consumes(media), receipt=st.booleans())
    def a_medium_arrives(self, medium: tuple[int, ...], receipt: bool) -> None:
        self._deliver([self.sealed[number] for number in medium])
        if receipt:
            self.receipt = max(self.accepted, default=0)

    @precondition(lambda self: self.sealed)
    @rule(picked=st.lists(st.integers(0, 60), min_size=1, max_size=6))
    def some_files_arrive_by_other_hands(self, picked: list[int]) -> None:
        """Any of those that exist, in any order, the same one twice."""
        self._deliver([self.sealed[number % len(self.sealed)] for number in picked])

    @precondition(lambda self: self.sealed)
    @rule()
    def all_that_is_new_arrives(self) -> None:
        self._deliver(self.sealed[self.receipt :])
        self.receipt = max(self.accepted, default=0)

    def _deliver(self, files: list[bytes]) -> Outcome:
        everybody = [(self.view.site, chain.key) for chain in self.view.chains]
        outcome = reconcile(files, {self.view.site: self.view}, everybody=everybody, now=self.now + DAY)
        for grown in outcome.grown:
            chains = tuple(grown if each.enrolment == grown.enrolment else each for each in self.view.chains)
            self.view = replace(self.view, chains=chains)
        for taken in outcome.taken:
            assert taken.usage.seq not in self.accepted, "a file counts once"
            self.accepted[taken.usage.seq] = taken.usage
        # Nobody lies here: what is not taken waits for what comes before it, or for a new key to vouch for it.
        met = {finding.verdict for finding in outcome.findings if not finding.good}
        assert met <= {Verdict.GAP, Verdict.UNKNOWN_KEY}
        return outcome

    def _ended(self, model: str, tokens: int) -> None:
        self.journal.append((model, tokens, self.now))
        self.outside[model] += 1
        self.tokens[model] += tokens

    # -- what both believe

    @invariant()
    def accepted_is_what_was_served_less_what_did_not_come_yet(self) -> None:
        if not hasattr(self, "outside"):
            return
        assert sorted(self.accepted) == list(range(1, len(self.accepted) + 1)), "without a hole"
        for model in MODELS:
            assert self._counted(model)[0] <= self.outside[model] - self._unsealed(model)

    def teardown(self) -> None:
        """In the end everything sealed is carried over once more, with the last file under the key of then."""
        if not hasattr(self, "outside"):
            return
        self.time_passes_and_days_are_sealed(hours=24)
        self._deliver(self.sealed)
        for model in MODELS:
            requests, tokens = self._counted(model)
            assert requests == self.outside[model] - self._unsealed(model)
            unsealed = sum(call[1] for call in [*self.journal, *self.ledger] if call[0] == model)
            assert tokens == self.tokens[model] - unsealed
        last = self.accepted[len(self.sealed)]
        assert {model: counts.requests for model, counts in last.registers.items()} == {
            model: self._counted(model)[0] for model in MODELS if self._counted(model)[0]
        }

    def _unsealed(self, model: str) -> int:
        return sum(call[0] == model for call in [*self.journal, *self.ledger])

    def _counted(self, model: str) -> tuple[int, int]:
        rows = [row for usage in self.accepted.values() for row in usage.rows if row.model == model]
        return sum(row.counts.requests for row in rows), sum(row.counts.prompt_tokens for row in rows)


TestMeter = Meter.TestCase
TestMeter.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


def test_the_model_would_notice_a_vendor_that_forgot_what_it_had_accepted() -> None:
    """A check that cannot fail checks nothing."""
    meter = Meter()
    meter.begin()
    meter.calls_are_served(count=3, model="small", tokens=5)
    meter.the_journal_is_taken_in()
    meter.time_passes_and_days_are_sealed(hours=24)
    meter._deliver(meter.sealed)
    meter.view = replace(meter.view, chains=(replace(meter.view.chains[0], accepted={}, head=None),))
    with pytest.raises(AssertionError, match="a file counts once"):
        meter._deliver(meter.sealed)
