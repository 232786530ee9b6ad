"""The Merkle tree over a period's ledger entries (RFC 9162 §2.1: leaves hashed with 0x00, nodes with 0x01).

The tree has two storeys, so that the vendor can recompute the root from the usage file alone: each row of the file
carries the root over its own entries, and the file's root is over its rows. Nobody needs to see an entry for that, and
one entry can still be shown to be in the file by the path up to its row and on to the root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A root in the making: keeps one hash per level, however many leaves are added."""

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        node, carry = leaf_hash(data), self.size
        while carry & 1:
            node = _node_hash(self._peaks.pop(), node)
            carry >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = _node_hash(peak, node)
        return node


def root_of(leaves: Iterable[bytes]) -> str:
    """The root over these leaves, written `sha256:…`."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return "sha256:" + tree.root().hex()


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The hashes beside the way from leaf `index` up to the root, lowest first (RFC 9162 §2.1.3.1).

    Raises IndexError where there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    level, path = [leaf_hash(leaf) for leaf in leaves], []
    while len(level) > 1:
        if (beside := index ^ 1) < len(level):
            path.append(level[beside])
        level = [
            _node_hash(*level[at : at + 2]) if at + 1 < len(level) else level[at] for at in range(0, len(level), 2)
        ]
        index >>= 1
    return tuple(path)


def root_by_path(leaf: bytes, index: int, size: int, path: Iterable[bytes]) -> bytes | None:
    """The root over `size` leaves of which this is number `index`, or None where the path does not fit those numbers
    (RFC 9162 §2.1.3.2). Whoever compares the root must hold `size` from elsewhere: the root alone does not fix it."""
    if not 0 <= index < size:
        return None
    node, last = leaf_hash(leaf), size - 1
    for beside in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            node = _node_hash(beside, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = _node_hash(node, beside)
        index, last = index >> 1, last >> 1
    return node if last == 0 else None
