"""A sliding minute in shared memory: what was counted in the last 60 seconds, in quarters of a second.

Promise: what is counted at a moment is in the count for the whole of the 60 seconds after it, and for a quarter of a
second more at most. So no interval of 60 seconds holds more than a cap that is held against the count, and a caller who
takes all there is gets at least 60/60.25 = 99.5 % of it.

A window is a ring of buckets in an array of 64-bit numbers that all workers have mapped; whoever changes it holds the
region's lock. Buckets are counted from the host's start: times are CLOCK_BOOTTIME seconds, which steps of the wall
clock do not touch.
"""

from __future__ import annotations

from typing import Final

WINDOW_SECONDS: Final = 60
PER_SECOND: Final = 4
BUCKETS: Final = WINDOW_SECONDS * PER_SECOND + 1
"""One more than fits in a minute: that of the very moment is not over yet."""

_ZEROS: Final = memoryview(bytes(8 * BUCKETS)).cast("q")


def bucket_at(seconds: float) -> int:
    return int(seconds * PER_SECOND)


def expire(words: memoryview, ring: int, first: int, last: int) -> int:
    """Empties the places of buckets `first` to `last`, and returns what was in them. The ring begins at word `ring`."""
    if last - first >= BUCKETS:
        first = last - BUCKETS + 1
    start, end = first % BUCKETS, last % BUCKETS
    if start <= end:
        return _emptied(words, ring + start, ring + end + 1)
    return _emptied(words, ring + start, ring + BUCKETS) + _emptied(words, ring, ring + end + 1)


def _emptied(words: memoryview, start: int, end: int) -> int:
    gone = sum(words[start:end])
    if gone:
        words[start:end] = _ZEROS[: end - start]
    return gone


def total(words: memoryview, ring: int) -> int:
    return sum(words[ring : ring + BUCKETS])


def oldest(words: memoryview, ring: int, last: int) -> int:
    """The first bucket in which there is anything; `last` where there is none before it."""
    place, first = (last + 1) % BUCKETS, last - BUCKETS + 1
    empty = _empty_words(words[ring + place : ring + BUCKETS])
    if empty == BUCKETS - place:
        empty += _empty_words(words[ring : ring + place])
    return min(first + empty, last)


def _empty_words(words: memoryview) -> int:
    """How many there are before the first that is not 0 (read as bytes, which is many times as fast)."""
    return (words.nbytes - len(words.tobytes().lstrip(b"\0"))) // 8


def leaves_at(bucket: int) -> float:
    """When what is in a bucket is counted no more (seconds)."""
    return (bucket + BUCKETS) / PER_SECOND


def until_less(words: memoryview, ring: int, last: int, excess: int) -> float | None:
    """When at least `excess` will have left, if nothing comes in; None: never, there is not so much."""
    for bucket in range(oldest(words, ring, last), last + 1):
        excess -= words[ring + bucket % BUCKETS]
        if excess <= 0:
            return leaves_at(bucket)
    return None
