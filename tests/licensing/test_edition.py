"""The tier table, number by number."""

from __future__ import annotations

from typing import get_args

import pytest

from licensing.edition import EDITIONS, EditionName


@pytest.mark.parametrize(
    ("name", "rpm", "tpm"),
    [
        ("pro", 600, 5_000_000),
        ("team", 3_000, 30_000_000),
        ("business", 10_000, None),
        ("enterprise", None, None),
    ],
)
def test_an_edition_grants_the_caps_of_the_tier_table(name: EditionName, rpm: int | None, tpm: int | None) -> None:
    edition = EDITIONS[name]
    assert (edition.name, edition.title.lower(), edition.rpm, edition.tpm) == (name, name, rpm, tpm)


def test_every_edition_that_a_licence_can_name_is_in_the_table() -> None:
    assert tuple(EDITIONS) == get_args(EditionName)
