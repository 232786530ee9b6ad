"""Every event that can come is in the table, from which the page is made; no act is left out by oversight."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from appliance.observe.audit import Entry
from appliance.observe.events import EVENTS, event_of
from tests.rules.tree import modules


def _literals(function: str, position: int) -> Iterator[tuple[str, str]]:
    """The text given to every call of that function at that position: each of both, for a choice of two."""
    for module in modules():
        if not module.path.startswith("appliance/"):
            continue
        for node in ast.walk(module.syntax):
            called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if called == function and isinstance(node, ast.Call) and len(node.args) > position:
                for text in _texts(node.args[position]):
                    yield module.path, text


def _texts(node: ast.expr) -> Iterator[str]:
    """Text in an expression; what is filled in may be anything."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(each.value) if isinstance(each, ast.Constant) else "*" for each in node.values)


TOLD = {*_literals("enqueue", 1), *_literals("enqueue_once", 3)}
ACTS = {(path, act) for path, act in _literals("record", 0) if "." in act}
MADE_FROM = [act for kind in EVENTS.values() for act in kind.acts]


def test_the_tellers_and_the_acts_are_seen() -> None:
    assert {"usage.sealed", "clock.stepped", "quota.exhausted", "licence.rung_changed"} <= {name for _, name in TOLD}
    assert {"key.pause", "key.auto_pause", "config.rollback", "*.import"} <= {act for _, act in ACTS}


@pytest.mark.parametrize(("path", "event"), sorted(TOLD))
def test_every_event_that_is_told_of_is_in_the_table(path: str, event: str) -> None:
    assert event in EVENTS, path


def test_every_event_of_the_table_comes_from_somewhere() -> None:
    told = {name for _, name in TOLD} | {"webhook.test"}
    without = {name for name, kind in EVENTS.items() if not kind.acts and name not in told}
    assert not without


@pytest.mark.parametrize("act", MADE_FROM)
def test_every_act_that_makes_an_event_is_recorded_somewhere(act: str) -> None:
    assert any(fnmatchcase(act, written) for _, written in ACTS), act


@pytest.mark.parametrize("act", MADE_FROM)
def test_no_act_makes_two_events(act: str) -> None:
    assert MADE_FROM.count(act) == 1


def test_what_somebody_does_with_a_key_makes_an_event() -> None:
    for _, act in ACTS:
        if act.startswith("key."):
            assert any(fnmatchcase(made, act) for made in MADE_FROM), act


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_has_a_meaning_and_an_example(name: str) -> None:
    kind = EVENTS[name]
    assert kind.meaning.endswith(".")
    assert kind.example
    if kind.acts:
        entry = Entry(
            41, "2027-03-01T10:00:00Z", "anna", kind.acts[0], "it", None, None, {"a": 1}, "sha256:p", "sha256:d"
        )
        made = event_of(entry)
        assert made is not None
        assert made[0] == name
        assert set(made[1]) == set(kind.example)


def test_an_act_that_is_nobodys_business_makes_none() -> None:
    entry = Entry(1, "2027-03-01T10:00:00Z", "anna", "site.make", "it", None, None, {}, "p", "d")
    assert event_of(entry) is None
