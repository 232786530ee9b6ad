"""Drawing lots: rendezvous hashing with weights.

Each deployment's lot follows from its own mark and the key of the draw alone, and the highest goes first. So a
deployment that is added takes just its share of the keys from the others, one that goes leaves its keys to the rest,
and nobody else moves (Thaler and Ravishankar, 1998). With a random key the same lots are a draw by weight.
"""

from __future__ import annotations

from math import log

_64_BITS = (1 << 64) - 1
_PARTS = 1.0 / (1 << 53)


def lot(mark: int, key: int, weight: float) -> float:
    """The lot of one deployment: the higher, the better; 0 for one of no weight.

    `weight / -ln(u)` with `u` uniform in (0, 1) is highest in proportion to the weights (Efraimidis, Spirakis, 2006).
    """
    if weight <= 0.0:
        return 0.0
    return weight / -log(((_mixed(mark ^ key) >> 11) + 0.5) * _PARTS)


def _mixed(bits: int) -> int:
    """Every bit of the result depends on every bit given: the finaliser of SplitMix64 (Steele et al., 2014)."""
    bits = (bits + 0x9E3779B97F4A7C15) & _64_BITS
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return bits ^ (bits >> 31)
