"""What the fuzzer starts from and what it has found, given to the same functions by the ordinary suite."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, kept

CRASHERS = Path(__file__).parent / "crashers"
FOUND = sorted(file for file in CRASHERS.iterdir() if file.name != "README.md")
MUTATIONS = 60


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_read_or_refused(name: str) -> None:
    for seed in TARGETS[name].seeds():
        assert len(seed) <= TARGETS[name].limit
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_learnt_is_kept_and_read_or_refused(name: str) -> None:
    inputs = kept(name)
    assert inputs
    for data in inputs:
        TARGETS[name].run(data)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name)
def test_what_was_found_once_is_read_or_refused(file: Path) -> None:
    TARGETS[max((name for name in TARGETS if file.name.startswith(f"{name}-")), key=len)].run(file.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_with_a_few_bytes_exchanged_are_read_or_refused(name: str) -> None:
    chance = random.Random(name)
    for seed in TARGETS[name].seeds():
        for _ in range(MUTATIONS):
            data = bytearray(seed)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(data) + 1)
                data[at : at + chance.choice([0, 1, 1, 9])] = chance.randbytes(chance.choice([0, 1, 1, 3]))
            TARGETS[name].run(bytes(data))
