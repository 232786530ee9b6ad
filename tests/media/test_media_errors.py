"""Every refusal of media has a code, an exit code and a next step of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from licensing.errors import Refusal
from media import errors


def leaves(root: type[errors.MediaError]) -> Iterator[type[errors.MediaError]]:
    for each in root.__subclasses__():
        yield from leaves(each) if each.__subclasses__() else [each]


LEAVES = sorted(leaves(errors.MediaError), key=lambda leaf: leaf.exit_code)
EXPECTED = {
    "NotFound": ("media_not_found", 50),
    "NotARegularFile": ("media_not_regular", 51),
    "TooLarge": ("media_too_large", 52),
    "Unreadable": ("media_unreadable", 53),
    "YamlRefused": ("yaml_refused", 54),
    "WriteFailed": ("media_write_failed", 55),
    "MediumFull": ("media_full", 56),
    "ReadOnly": ("media_read_only", 57),
    "AlreadyThere": ("media_already_there", 58),
    "NotDurable": ("media_not_durable", 59),
    "NoMedium": ("media_none", 102),
    "UnsafeMount": ("media_unsafe_mount", 103),
    "PassphraseMissing": ("passphrase_missing", 94),
    "Exposed": ("secret_exposed", 95),
}


def test_codes_and_exit_codes_never_change() -> None:
    assert {leaf.__name__: (leaf.code, leaf.exit_code) for leaf in LEAVES} == EXPECTED


def test_the_tree_drawn_in_the_module_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+) +(\d+)  \w", errors.__doc__ or "")
    assert {name: int(number) for name, number in drawn} == {name: number for name, (_, number) in EXPECTED.items()}


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: str(leaf.__name__))
def test_every_refusal_says_what_to_do_next(leaf: type[errors.MediaError]) -> None:
    refusal = leaf("It is so.", where="/media/stick/licence.json")
    assert issubclass(leaf, Refusal)
    assert leaf.default_remedy != Refusal.default_remedy
    assert leaf.default_remedy.endswith(".")
    assert refusal.as_dict() == {
        "code": leaf.code,
        "message": "It is so.",
        "remedy": leaf.default_remedy,
        "where": "/media/stick/licence.json",
    }
