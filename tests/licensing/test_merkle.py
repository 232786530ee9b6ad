"""The tree: equal to the standard's recursive definition for every number of leaves."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.merkle import EMPTY, Tree, leaf_hash, root_of

LEAVES = st.lists(st.binary(max_size=6), max_size=40)


def naive(leaves: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word: split at the largest power of two below the number of leaves."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + naive(leaves[:split]) + naive(leaves[split:])).digest()


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 1000])
def test_the_root_is_the_standards_root(size: int) -> None:
    leaves = [b"entry %d" % number for number in range(size)]
    assert root_of(leaves) == "sha256:" + naive(leaves).hex()


@given(LEAVES)
@settings(deadline=None)
def test_the_root_is_the_standards_root_for_any_leaves(leaves: list[bytes]) -> None:
    tree = Tree()
    for number, leaf in enumerate(leaves):
        assert tree.size == number
        assert tree.root() == naive(leaves[:number])
        tree.add(leaf)
    assert tree.root() == naive(leaves)


@given(LEAVES.filter(bool), st.data())
@settings(deadline=None)
def test_changing_dropping_or_swapping_a_leaf_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves[:place], leaves[place] + b"!", *leaves[place + 1 :]]
    assert root_of(changed) != root_of(leaves)
    assert root_of(leaves[:place] + leaves[place + 1 :]) != root_of(leaves)
    turned = leaves[::-1]
    assert (root_of(turned) == root_of(leaves)) is (turned == leaves)


def test_the_empty_tree_is_the_digest_of_nothing() -> None:
    assert root_of([]) == "sha256:" + EMPTY.hex() == "sha256:" + hashlib.sha256(b"").hexdigest()


def test_a_node_never_passes_for_a_leaf() -> None:
    """Two leaves cannot be replaced by one whose bytes are their hashes."""
    pair = [b"a", b"b"]
    forged = leaf_hash(b"a") + leaf_hash(b"b")
    assert root_of([forged]) != root_of(pair)
    assert root_of([b"\x01" + forged]) != root_of(pair)


def test_asking_for_the_root_changes_nothing() -> None:
    tree = Tree()
    for number in range(11):
        tree.add(bytes([number]))
        assert tree.root() == tree.root()
    assert tree.root() == naive([bytes([number]) for number in range(11)])
