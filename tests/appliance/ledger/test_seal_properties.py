"""Whatever the order of calls, takings-in and sealings: the files together say what the ledger says."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ledger.entry import Entry
from appliance.ledger.seal import open_since, sealed_files
from appliance.operations.usage import seal_due, seal_now, uses
from appliance.state.site import Site
from licensing.clock import witness
from licensing.usage import Counts, Usage, faults_between, faults_within, open_usage
from tests.appliance.entries import entry, outcomes, record
from tests.appliance.papers import NOW
from tests.appliance.sites import make_site, put_licence

ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 3600, 43_200, 86_400, 200_000])),
        st.tuples(st.just("call"), st.integers(0, 200_000)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("seal"), st.just(0)),
        st.tuples(st.just("seal now"), st.just(0)),
    ),
    max_size=30,
)


def total(site: Site) -> Counts:
    counts = Counts()
    before: Usage | None = None
    for each in sealed_files(site.database):
        usage = open_usage(each.data, site.key.public_key).claims
        assert list(faults_within(usage)) == []
        assert list(faults_between(before, usage)) == []
        for delta in usage.deltas.values():
            counts = counts + delta
        before = usage
    return counts


@given(ACTS)
@settings(max_examples=40, deadline=None)
def test_the_sum_over_all_files_is_the_sum_over_the_ledger(acts: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        site = make_site(Path(folder) / "state")
        put_licence(site)
        now, expected, number = NOW, Counts(), 0
        for act, amount in acts:
            if act == "wait":
                now += timedelta(seconds=amount)
            elif act == "call":
                number += 1
                ended = max(now - timedelta(seconds=amount), NOW)
                record(site, _call(number, ended), name=f"w{number:03}")
                expected = expected + Counts(requests=1, prompt_tokens=number, completion_tokens=5, cached_tokens=2)
            elif act == "take":
                uses(site, now)
            elif act == "seal":
                seal_due(site, now, lead=None)
            else:
                seal_now(site, now, lead=None)
        seal_due(site, now + timedelta(days=3), lead=None)
        assert total(site) == expected
        assert len(outcomes(site)) == expected.requests
        site.close()


def _call(number: int, ended: datetime) -> Entry:
    return entry(f"x{number:03}", ended_at=int(ended.timestamp() * 1000), prompt_tokens=number)


def test_a_clock_that_was_wrong_for_a_while_does_not_stop_sealing(tmp_path: Path) -> None:
    """The host's clock was a year ahead, then it was put right: today's usage must still reach the vendor."""
    site = make_site(tmp_path / "state")
    put_licence(site)
    seal_due(site, NOW + timedelta(days=300))
    record(site, _call(1, NOW + timedelta(hours=1)), name="w")
    seal_now(site, NOW + timedelta(hours=2))
    site.raise_time_floor(lambda floor: witness(floor, NOW + timedelta(days=3), "three days of uptime"))
    later = seal_due(site, NOW + timedelta(days=3))
    assert open_since(site) <= NOW + timedelta(days=3), f"nothing can be sealed before {open_since(site)}"
    assert total(site).requests == 1
    assert later
    site.close()
