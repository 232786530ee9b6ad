"""A proof shows one exchange in one signed file; nothing else passes for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.document import Verified
from licensing.errors import Malformed, WrongAudience, WrongKind
from licensing.merkle import inclusion_path, leaf_hash, root_by_path, root_of
from licensing.strict_json import canonical
from licensing.usage import Counts, Latency, Row, Usage, open_usage, totals_by_model, tree_of
from licensing.usage_proof import UsageProof, make_proof, read_proof, require_proven
from tests.licensing.documents import key, signed, usage_members

Entry = dict[str, str | int | None]


def entries(team: str, count: int) -> list[Entry]:
    return [{"id": f"{team}-{number:03}", "prompt_tokens": number, "finish_reason": None} for number in range(count)]


def row(team: str, count: int) -> Row:
    return Row(
        org="o", team=team, key="k", model="m", provider="p",
        counts=Counts(requests=count), latency_ms=Latency(p50=1, p95=1, p99=1),
        entries_root=root_of(canonical(each) for each in entries(team, count)),
    )  # fmt: skip


def file_of(*sizes: int) -> Verified[Usage]:
    rows = [row(f"t{number:02}", size) for number, size in enumerate(sizes)]
    deltas = {name: counts.model_dump() for name, counts in totals_by_model(rows).items()}
    members = usage_members(
        rows=[each.model_dump() for each in rows],
        deltas=deltas,
        registers=deltas,
        tree=tree_of(rows).model_dump(),
        admissions=[{"licence_serial": 7, "config_serial": 4, "requests": sum(sizes)}],
    )
    return open_usage(signed("usage", members, key("site")), key("site").public_key)


def proof_of(usage: Verified[Usage], place: int, index: int) -> UsageProof:
    shown = usage.claims.rows[place]
    all_of_row = entries(shown.team, shown.counts.requests)
    return make_proof(usage, place, [canonical(each) for each in all_of_row], index)


@pytest.mark.parametrize("size", [*range(1, 40), 63, 64, 65, 127, 128, 129])
def test_every_leaf_of_every_size_leads_to_the_root(size: int) -> None:
    leaves = [b"%d" % number for number in range(size)]
    for index in range(size):
        path = inclusion_path(leaves, index)
        found = root_by_path(leaves[index], index, size, path)
        assert found is not None
        assert "sha256:" + found.hex() == root_of(leaves)


@settings(deadline=None)
@given(st.integers(1, 40), st.data())
def test_a_path_for_one_place_fits_no_other(size: int, data: st.DataObject) -> None:
    leaves = [b"%d" % number for number in range(size)]
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(-1, size))
    path, root = inclusion_path(leaves, index), bytes.fromhex(root_of(leaves)[7:])
    assert (root_by_path(leaves[index], other, size, path) == root) is (other == index)
    assert root_by_path(leaves[index], index, size, [*path, leaf_hash(b"more")]) != root
    if path:
        assert root_by_path(leaves[index], index, size, path[:-1]) != root


def test_there_is_no_path_for_a_leaf_that_is_not_there() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            inclusion_path([b"a", b"b", b"c"], index)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.data())
def test_each_exchange_of_a_file_can_be_shown(sizes: list[int], data: st.DataObject) -> None:
    usage = file_of(*sizes)
    place = data.draw(st.integers(0, len(sizes) - 1))
    proof = proof_of(usage, place, data.draw(st.integers(0, sizes[place] - 1)))
    require_proven(read_proof(proof.to_bytes()), usage)


def test_no_other_exchange_is_in_a_proof() -> None:
    text = proof_of(file_of(5, 3), 0, 2).to_bytes().decode()
    assert "t00-002" in text
    assert not any(f"t00-00{other}" in text for other in (0, 1, 3, 4))


def changed(proof: UsageProof, **members: Any) -> UsageProof:
    return read_proof(canonical({**json.loads(proof.to_bytes()), **members}))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: {"entry": {**p["entry"], "prompt_tokens": 1}},
        lambda p: {"entry": {**p["entry"], "more": 1}},
        lambda p: {"entry": {**p["entry"], "id": "t00-009"}},
        lambda p: {"row": {**p["row"], "team": "t01"}},
        lambda p: {"row": {**p["row"], "counts": {**p["row"]["counts"], "requests": 6}}},
        lambda p: {"row": {**p["row"], "entries_root": "sha256:" + "00" * 32}},
        lambda p: {"entry_path": {**p["entry_path"], "index": 3}},
        lambda p: {"entry_path": {**p["entry_path"], "size": 6}},
        lambda p: {"entry_path": {**p["entry_path"], "hashes": p["entry_path"]["hashes"][:-1]}},
        lambda p: {"row_path": {**p["row_path"], "index": 1}},
        lambda p: {"row_path": {**p["row_path"], "size": 3}},
        lambda p: {"row_path": {**p["row_path"], "hashes": []}},
    ],
)  # fmt: skip
def test_a_changed_proof_does_not_hold(change: Any) -> None:
    usage = file_of(5, 3)
    proof = proof_of(usage, 0, 2)
    require_proven(proof, usage)
    with pytest.raises(Malformed):
        require_proven(changed(proof, **change(json.loads(proof.to_bytes()))), usage)


def test_how_many_exchanges_there_are_is_the_files_word() -> None:
    """A tree of two has the root of a leaf-sized pair: claiming another size with a shorter path proves nothing."""
    usage = file_of(2)
    proof = proof_of(usage, 0, 1)
    for size in (1, 3, 4):
        with pytest.raises(Malformed):
            require_proven(changed(proof, entry_path={"index": 0, "size": size, "hashes": []}), usage)


def test_a_proof_about_another_file_is_not_one_about_this() -> None:
    with pytest.raises(WrongAudience):
        require_proven(proof_of(file_of(5, 3), 0, 2), file_of(5, 4))


@pytest.mark.parametrize("data", [b"", b"{}", b'{"kind":"usage","schema":1}', b'{"kind":"usage-proof","schema":2}'])
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises((Malformed, WrongKind)):
        read_proof(data)


def test_members_that_no_proof_has_are_refused() -> None:
    proof = proof_of(file_of(5, 3), 0, 2)
    with pytest.raises(Malformed):
        changed(proof, prompt="hello")
    with pytest.raises(Malformed):
        changed(proof, entry={"id": ["a"]})
