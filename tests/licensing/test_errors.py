"""The refusals: one tree, stable codes, a next step in each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import licensing.errors
from licensing.errors import LicensingError, Malformed, Refusal, SerialConflict
from licensing.standing import TERMS


def leaves(root: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in root.__subclasses__():
        if each.__module__.startswith("licensing.") and ".vendor" not in each.__module__:
            yield each
            yield from leaves(each)


LEAVES = list(leaves(LicensingError))


def test_every_refusal_has_a_code_and_an_exit_code_of_its_own() -> None:
    assert SerialConflict in LEAVES
    assert len({each.code for each in LEAVES}) == len(LEAVES)
    assert len({each.exit_code for each in LEAVES}) == len(LEAVES)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", each.code) for each in LEAVES)


def test_documents_exit_with_10_to_19_and_rungs_with_20_to_39() -> None:
    assert all(10 <= each.exit_code <= 19 for each in LEAVES)
    assert all(terms.exit_code == 0 or 20 <= terms.exit_code <= 39 for terms in TERMS.values())


def test_every_refusal_says_what_it_is_and_what_to_do_next() -> None:
    for each in LEAVES:
        assert each.__doc__
        assert each.default_remedy != Refusal.default_remedy
        assert each.default_remedy.endswith(".")


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = dict(re.findall(r"── (\w+) +(\d+) ", licensing.errors.__doc__ or ""))
    assert drawn == {each.__name__: str(each.exit_code) for each in LEAVES}


def test_a_refusal_shows_four_fields_and_no_more() -> None:
    refusal = Malformed("It is broken.", where="line 3")
    assert refusal.as_dict() == {
        "code": "document_malformed",
        "message": "It is broken.",
        "remedy": Malformed.default_remedy,
        "where": "line 3",
    }
    assert str(refusal) == "line 3: It is broken."
    assert "where" not in Malformed("It is broken.", remedy="Do this.").as_dict()
    assert Malformed("It is broken.", remedy="Do this.").remedy == "Do this."
