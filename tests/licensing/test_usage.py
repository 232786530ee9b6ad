"""Usage: what a site seals adds up, and whoever changes a number afterwards is found."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.document import format_time
from licensing.errors import Malformed, SignatureRefused, WrongKind
from licensing.merkle import root_of
from licensing.usage import (
    COUNT_FIELDS,
    Counts,
    Latency,
    Row,
    Usage,
    advance_registers,
    faults_between,
    faults_within,
    open_usage,
    totals_by_model,
    tree_of,
)
from tests.licensing.documents import at, key, signed, usage_members

COUNTS = st.builds(Counts, **{name: st.integers(0, 10**6) for name in COUNT_FIELDS})
LABELS = st.tuples(*(st.sampled_from(names) for names in ("oO", "tT", "kK", ("灯塔", "m"), "pP")))
MOST = 2**62


def row(labels: Sequence[str], counts: Counts, milliseconds: int = 5) -> Row:
    org, team, key_name, model, provider = labels
    return Row(
        org=org,
        team=team,
        key=key_name,
        model=model,
        provider=provider,
        counts=counts,
        latency_ms=Latency(p50=milliseconds, p95=milliseconds + 1, p99=milliseconds + 2),
        entries_root=root_of([model.encode()]),
    )


ROWS = st.dictionaries(LABELS, COUNTS, max_size=5).map(
    lambda table: tuple(row(labels, table[labels]) for labels in sorted(table))
)


def sealed(rows: Sequence[Row], before: Usage | None = None) -> Usage:
    """The day's file over these rows, after `before`: as a site that follows the arithmetic writes it."""
    seq = before.seq + 1 if before else 1
    start = at("2026-03-01") + timedelta(days=seq - 1)
    deltas = totals_by_model(rows)
    tree = tree_of(rows)
    return Usage.from_mapping(
        usage_members(
            serial=seq,
            seq=seq,
            issued_at=format_time(start + timedelta(days=1)),
            period={"start": format_time(start), "end": format_time(start + timedelta(days=1))},
            rows=[each.model_dump() for each in rows],
            deltas={name: counts.model_dump() for name, counts in deltas.items()},
            registers={
                name: counts.model_dump()
                for name, counts in advance_registers(before.registers if before else {}, deltas).items()
            },
            tree=tree.model_dump(),
            admissions=[{"licence_serial": 7, "config_serial": 4, "requests": tree.size}],
            **({"previous": "sha256:" + "cd" * 32} if before else {}),
        )
    )


def chain(*days: Sequence[Row]) -> list[Usage]:
    files: list[Usage] = []
    for rows in days:
        files.append(sealed(rows, files[-1] if files else None))
    return files


def faults(before: Usage | None, usage: Usage) -> list[str]:
    return [*faults_within(usage), *faults_between(before, usage)]


# --- sealing, then checking


@given(st.lists(ROWS, min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_what_is_sealed_has_no_faults(days: list[tuple[Row, ...]]) -> None:
    before: Usage | None = None
    for usage in chain(*days):
        assert faults(before, usage) == []
        before = usage


@given(st.lists(ROWS, min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_registers_only_rise_and_hold_the_sum_of_all_days(days: list[tuple[Row, ...]]) -> None:
    files = chain(*days)
    everything = totals_by_model(each for rows in days for each in rows)
    assert files[-1].registers == everything
    for before, after in pairwise(files):
        for model, counts in before.registers.items():
            assert all(getattr(after.registers[model], name) >= getattr(counts, name) for name in COUNT_FIELDS)


def test_a_day_with_nothing_is_a_file_too() -> None:
    quiet = sealed(())
    assert (quiet.tree.size, quiet.rows, faults(None, quiet)) == (0, (), [])
    assert sealed((), quiet).registers == {}


# --- every single number

BUSY = (
    row(("acme", "labs", "k1", "beacon", "local"), Counts(requests=3, prompt_tokens=40, completion_tokens=9)),
    row(("acme", "labs", "k1", "harbour", "local"), Counts(requests=1, errors=1, interrupted=1), 11),
    row(("acme", "shop", "k2", "beacon", "local"), Counts(requests=2, cached_tokens=8, estimated_prompt_tokens=5), 22),
)
FIRST, SECOND = chain(BUSY, BUSY[1:])
COUNTED = ("rows", "deltas", "registers", "tree", "admissions")


def numbers_in(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, int):
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers_in(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from numbers_in(inner, (*path, place))


def members_of(usage: Usage) -> dict[str, Any]:
    members: dict[str, Any] = usage.model_dump(mode="json", by_alias=True, exclude_none=True)
    return members


def changed(usage: Usage, path: tuple[Any, ...], value: Any) -> Usage:
    members = copy.deepcopy(members_of(usage))
    inner: Any = members
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return Usage.from_mapping(members)


PATHS = [
    path
    for member in COUNTED
    for path in numbers_in(members_of(SECOND)[member], (member,))
    if path[-1] not in {"licence_serial", "config_serial"}
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_any_single_changed_number_is_found(path: tuple[Any, ...]) -> None:
    assert faults(FIRST, SECOND) == []
    value: Any = members_of(SECOND)
    for step in path:
        value = value[step]
    for other in {0, 1, value - 1, value + 1, value * 2, 10**9} - {value}:
        if other >= 0:
            assert faults(FIRST, changed(SECOND, path, other)), other


@given(st.sampled_from(PATHS), st.integers(0, MOST))
@settings(deadline=None)
def test_whatever_a_number_is_changed_to(path: tuple[Any, ...], other: int) -> None:
    value: Any = members_of(SECOND)
    for step in path:
        value = value[step]
    if value != other:
        assert faults(FIRST, changed(SECOND, path, other))


@pytest.mark.parametrize("name", COUNT_FIELDS)
def test_a_delta_that_its_register_confirms_still_has_to_follow_from_the_rows(name: str) -> None:
    """The site writes both; only the rows, which the tree commits to, contradict it."""
    higher = getattr(SECOND.registers["beacon"], name) + 5
    lied = changed(SECOND, ("registers", "beacon", name), higher)
    lied = changed(lied, ("deltas", "beacon", name), getattr(SECOND.deltas["beacon"], name) + 5)
    assert list(faults_between(FIRST, lied)) == []
    assert list(faults_within(lied)) == ["the rows do not add up to the deltas"]


@pytest.mark.parametrize("member", ["org", "team", "key", "model", "provider"])
def test_a_changed_label_is_found(member: str) -> None:
    for place in range(len(SECOND.rows)):
        assert faults(FIRST, changed(SECOND, ("rows", place, member), "zz"))


def test_a_changed_entries_root_is_found() -> None:
    assert faults(FIRST, changed(SECOND, ("rows", 0, "entries_root"), "sha256:" + "00" * 32))


@pytest.mark.parametrize("place", range(len(BUSY)))
def test_a_row_that_is_dropped_or_doubled_is_found(place: int) -> None:
    rows = members_of(FIRST)["rows"]
    assert faults(None, changed(FIRST, ("rows",), rows[:place] + rows[place + 1 :]))
    assert faults(None, changed(FIRST, ("rows",), [*rows, rows[place]]))


def test_rows_stand_once_and_in_order() -> None:
    unordered = sealed(BUSY[::-1])
    assert list(faults_within(unordered)) == ["the rows are not unique and in order"]
    twice = sealed((BUSY[0], BUSY[0]))
    assert list(faults_within(twice)) == ["the rows are not unique and in order"]


def test_two_changes_that_cancel_out_within_a_model_are_found_by_the_tree() -> None:
    shifted = changed(FIRST, ("rows", 0, "counts", "requests"), 4)
    shifted = changed(shifted, ("rows", 2, "counts", "requests"), 1)
    assert list(faults_within(shifted)) == ["the tree's root or size does not follow from the rows"]


# --- from one file to the next


def test_a_register_that_fell_is_named() -> None:
    fallen = changed(SECOND, ("registers", "beacon", "prompt_tokens"), 1)
    assert list(faults_between(FIRST, fallen)) == ["the register of 'beacon' fell"]


def test_a_register_that_vanished_has_fallen() -> None:
    registers = {name: counts for name, counts in members_of(SECOND)["registers"].items() if name != "beacon"}
    assert list(faults_between(FIRST, changed(SECOND, ("registers",), registers))) == ["the register of 'beacon' fell"]


def test_registers_that_rose_by_more_than_the_deltas_are_found() -> None:
    risen = changed(SECOND, ("registers", "beacon", "requests"), 99)
    assert list(faults_between(FIRST, risen)) == ["the registers are not the previous ones plus the deltas"]


def test_registers_that_began_above_nothing_are_found() -> None:
    assert list(faults_between(None, SECOND)) == ["the registers are not the previous ones plus the deltas"]


def test_a_gap_or_an_overlap_between_periods_is_found() -> None:
    late = changed(SECOND, ("period", "start"), "2026-03-02T00:00:01Z")
    assert "the period does not start where the previous one ended" in faults(FIRST, late)
    assert "the period does not start where the previous one ended" in faults(SECOND, SECOND)


# --- files that nobody honest would seal


def with_counts(*requests: int) -> Usage:
    """A file that claims these counts for one model, without regard to arithmetic."""
    rows = [row(("o", "t", f"k{number}", "m", "p"), Counts(requests=each)) for number, each in enumerate(requests)]
    return Usage.from_mapping(usage_members(rows=[each.model_dump() for each in rows]))


def test_counts_whose_sum_leaves_the_range_are_a_fault_and_not_an_exception() -> None:
    """The vendor's reconciliation reads what the site chose to write: the largest counts, twice."""
    assert list(faults_within(with_counts(MOST, MOST)))


def test_registers_whose_sum_leaves_the_range_are_a_fault_and_not_an_exception() -> None:
    full = {"m": Counts(requests=MOST).model_dump()}
    before = Usage.from_mapping(usage_members(registers=full))
    after = Usage.from_mapping(
        usage_members(serial=2, seq=2, previous="sha256:" + "cd" * 32, deltas=full, registers=full)
    )
    assert list(faults_between(before, after))


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_period_at_the_edge_of_the_calendar_is_read_or_refused(day: str) -> None:
    members = usage_members(period={"start": f"{day}T00:00:00Z", "end": f"{day}T12:00:00Z"})
    try:
        Usage.from_mapping(members)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("start", "end", "good"),
    [
        ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", True),
        ("2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z", True),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z", True),
        ("2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z", True),
        ("2026-03-01T00:00:00Z", "2026-03-02T00:00:01Z", False),
        ("2026-03-01T23:59:59Z", "2026-03-02T00:00:01Z", False),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z", False),
        ("2026-03-01T10:00:00Z", "2026-03-01T09:00:00Z", False),
        ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", False),
    ],
)
def test_a_period_lies_within_one_day(start: str, end: str, good: bool) -> None:
    members = usage_members(period={"start": start, "end": end})
    if good:
        assert format_time(Usage.from_mapping(members).period.end) == end
        return
    with pytest.raises(Malformed, match="period"):
        Usage.from_mapping(members)


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 0, "serial": 0},
        {"seq": 2},
        {"serial": 2},
        {"seq": 2, "serial": 2},
        {"previous": "sha256:" + "cd" * 32},
        {"tree": {"size": -1, "root": "sha256:" + "cd" * 32}},
        {"tree": {"size": 0, "root": "cd" * 32}},
        {"deltas": {"m": {"requests": -1}}},
        {"deltas": {"m": {"requests": MOST + 1}}},
        {"deltas": {"m": {"prompts": 1}}},
        {"deltas": {"": {}}},
        {"registers": {"m" * 129: {}}},
        {"anomalies": [{"code": "x", "detail": "y" * 501}]},
        {"clock": {"floor": "2026-03-02T00:00:00Z", "steps": [{"at": "2026-03-02T00:00:00Z"}]}},
        {"prompt": "never"},
        {"rows": [{"org": "o"}]},
    ],
)
def test_a_usage_file_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Usage.from_mapping(usage_members(**changes))


# --- opening


def test_a_usage_file_is_signed_by_the_sites_own_key() -> None:
    opened = open_usage(signed("usage", usage_members(epoch=3), key("site")), key("site").public_key)
    assert (opened.claims.seq, opened.role, opened.key_epoch) == (1, "site", 3)


@pytest.mark.parametrize("signer", ["other-site", "root-1", "receipt-1"])
def test_nobody_else_can_write_a_sites_usage(signer: str) -> None:
    with pytest.raises(SignatureRefused):
        open_usage(signed("usage", usage_members(), key(signer)), key("site").public_key)


@pytest.mark.parametrize("kind", ["site-request", "receipt", "licence"])
def test_what_the_site_signed_as_another_kind_is_no_usage(kind: str) -> None:
    with pytest.raises(WrongKind):
        open_usage(signed(kind, usage_members(), key("site")), key("site").public_key)


# --- after a restore


HEAD = "sha256:" + "ab" * 32


def test_a_new_epoch_may_name_where_the_earlier_one_ended() -> None:
    named = {"epoch": 1, "seq": 5, "head": HEAD, "registers": {"m": Counts(requests=9).model_dump()}}
    usage = Usage.from_mapping(usage_members(epoch=2, predecessor=named))
    assert usage.predecessor is not None
    assert (usage.predecessor.seq, usage.predecessor.registers["m"].requests) == (5, 9)


def test_a_file_without_a_predecessor_does_not_speak_of_one() -> None:
    assert b"predecessor" not in Usage.from_mapping(usage_members()).to_bytes()


@pytest.mark.parametrize(
    ("named", "more"),
    [
        ({"epoch": 1, "seq": 5, "head": HEAD}, {"seq": 2, "serial": 2, "previous": HEAD}),
        ({"epoch": 2, "seq": 5, "head": HEAD}, {}),
        ({"epoch": 3, "seq": 5, "head": HEAD}, {}),
        ({"epoch": 1, "seq": 5}, {}),
        ({"epoch": 1, "seq": 0, "head": HEAD}, {}),
        ({"epoch": 1, "seq": 5, "head": HEAD, "more": 1}, {}),
    ],
)
def test_a_predecessor_that_cannot_be_is_malformed(named: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Usage.from_mapping(usage_members(epoch=2, predecessor=named, **more))
