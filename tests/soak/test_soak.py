"""A short soak: two hundred streams at once on one worker, none of them broken, and memory that does not grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.__main__ import GROWTH_LIMIT_MIB, soak

pytestmark = pytest.mark.real


def test_two_hundred_streams_at_once_take_no_more_memory_with_time(tmp_path: Path) -> None:
    soaked = soak(tmp_path, streams=200, seconds=14, answer_seconds=3)
    assert soaked.broken == 0
    assert soaked.whole >= 400
    assert soaked.most_at_once > 150
    assert soaked.growth < GROWTH_LIMIT_MIB
