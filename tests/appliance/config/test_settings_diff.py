"""What the officer is shown of a config's settings: every change, and no secret."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.model import Config, Deployment
from appliance.config.plan import plan
from appliance.config.sealed import PREFIX
from appliance.config.settings_diff import HIDDEN, extras_of, settings_changed
from tests.appliance.papers import NOW

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5) | st.just("true") | st.just("1")
NAMES = st.sampled_from(["a", "b", "a.b", "[0]", "limits", "x y"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3), max_leaves=8
)
SETTINGS = st.dictionaries(NAMES, VALUES, max_size=4)


def lines(before: Any, after: Any) -> list[str]:
    return [each.line() for each in settings_changed(before, after)]


@given(settings=SETTINGS)
def test_a_config_does_not_differ_from_itself(settings: Any) -> None:
    assert settings_changed(settings, settings) == ()


@given(before=SETTINGS, after=SETTINGS)
def test_whatever_differs_is_shown(before: Any, after: Any) -> None:
    """Compared with their types: `true` and "true" are not the same setting, nor are [] and nothing."""
    same = repr(sorted(before.items(), key=str)) == repr(sorted(after.items(), key=str))
    if not settings_changed(before, after):
        assert before == after
    elif same:
        raise AssertionError("a change is shown where there is none")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {"a": {"b": 1}}, ["+ a.b: 1"]),
        ({"a": {"b": 1}}, {}, ["- a.b: 1"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["~ a[1]: 2 -> 3"]),
        ({}, {"allow": []}, ["+ allow: []"]),
        ({"allow": {}}, {}, ["- allow: {}"]),
        ({"a": "true"}, {"a": True}, ["~ a: true -> true"]),
        ({"a.b": 1, "a": {"b": 2}}, {"a.b": 3, "a": {"b": 2}}, ['~ ["a.b"]: 1 -> 3']),
        ({"models": 1, "serial": 1, "site": "x"}, {"models": 2, "serial": 2, "site": "y"}, []),
        ({"secrets": {"forbid_clear": True}}, {}, ["- secrets.forbid_clear: true"]),
        ({}, {"limits": {"tokens_per_minute": 5, "tpm": 3, "max_tokens": 9}},
         ["+ limits.tokens_per_minute: 5", "+ limits.tpm: 3", "+ limits.max_tokens: 9"]),
    ],
)  # fmt: skip
def test_how_a_change_reads(before: Any, after: Any, told: list[str]) -> None:
    assert lines(before, after) == told


def test_what_differs_beyond_what_is_shown_is_a_change_all_the_same() -> None:
    assert len(lines({"a": "x" * 500 + "1"}, {"a": "x" * 500 + "2"})) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": "SECRET"},
        {"auth": {"token": "SECRET"}},
        {"keys": ["SECRET"]},
        {"api_keys": {"production": "SECRET"}},
        {"credentials": [{"value": "SECRET"}]},
        {"headers": {"Authorization": "SECRET"}},
        {"smtp": {"passwd": "SECRET"}},
    ],
)
def test_a_value_under_the_name_of_a_secret_is_never_shown(settings: Any) -> None:
    for before, after in ((settings, {}), ({}, settings)):
        [line] = lines(before, after)
        assert HIDDEN in line
        assert "SECRET" not in line
    assert "SECRET" not in extras_of(settings)


def test_a_hidden_value_that_changes_is_still_a_change() -> None:
    assert lines({"token": "one"}, {"token": "two"}) == [f"~ token: {HIDDEN} -> {HIDDEN}"]


def test_nothing_in_a_plan_moves_the_terminal() -> None:
    told = lines({}, {"a\x1b[2J": "b\x1b[2J\u202e"})
    deployment = Deployment("x#0", "x", "openai-compatible", "m\u202e\u200b", "http://a/\u202e", None, ())
    told += plan(None, Config(1, "s", NOW, (deployment,))).lines()
    assert "".join(told).isprintable(), told


KEYS = st.sampled_from([None, "${NAME}", "sk-SECRET-1", "sk-SECRET-2", PREFIX + "U0VDUkVU"])


@given(st.lists(KEYS, min_size=1, max_size=4), st.lists(KEYS, min_size=1, max_size=4))
def test_no_key_is_in_a_plan_and_every_other_key_is_a_change(before: list[str | None], after: list[str | None]) -> None:
    made = plan(_config(before), _config(after))
    told = "\n".join(made.lines()) + repr(made) + str(asdict(made))
    assert "SECRET" not in told
    assert "U0VDUkVU" not in told
    assert bool(made.changes) == (before != after)


def _config(keys: list[str | None]) -> Config:
    deployments = (
        Deployment(f"x#{number}", "x", "openai-compatible", "m", "http://a", key, ()) for number, key in enumerate(keys)
    )
    return Config(1, "s", NOW, tuple(deployments))
