"""What a new config would change, shown to the officer who agrees."""

from __future__ import annotations

from dataclasses import asdict, replace

from appliance.config.model import Config, Deployment
from appliance.config.plan import describe, plan
from tests.appliance.papers import NOW


def deployment(alias: str, base: str = "http://a", key: str | None = None) -> Deployment:
    return Deployment(f"{alias}#0", alias, "openai-compatible", "m", base, key, ())


def config(*deployments: Deployment, serial: int = 1) -> Config:
    return Config(serial, "site", NOW, deployments)


def test_a_first_config_adds_everything() -> None:
    made = plan(None, config(deployment("x"), deployment("y")))
    assert [(change.what, change.alias) for change in made.changes] == [("added", "x"), ("added", "y")]
    assert made.lines()[0] == "from nothing to config 1"


def test_what_was_added_changed_and_removed() -> None:
    before = config(deployment("kept"), deployment("changed"), deployment("gone"))
    after = config(deployment("kept"), deployment("changed", "http://b"), deployment("new"), serial=2)
    assert plan(before, after).lines() == [
        "from config 1 to config 2",
        "changed changed",
        "  - 1. openai-compatible m at http://a",
        "  + 1. openai-compatible m at http://b",
        "added new",
        "  + 1. openai-compatible m at http://a",
        "removed gone",
        "  - 1. openai-compatible m at http://a",
    ]


def test_no_change_is_said() -> None:
    same = config(deployment("x"))
    assert plan(same, replace(same, serial=2)).lines() == ["from config 1 to config 2", "no model changes"]


def test_another_order_of_fallback_is_shown() -> None:
    """Who is asked first decides who is paid: a plan that says `changed` and nothing else hides it."""
    first, second = deployment("x", "http://a"), deployment("x", "http://b")
    lines = plan(config(first, second), config(second, first, serial=2)).lines()
    assert any("http://a" in line for line in lines)
    assert any("http://b" in line for line in lines)


def test_a_plan_names_keys_and_never_shows_them() -> None:
    assert describe(deployment("x", key="${GPU_KEY}")).endswith("with key ${GPU_KEY}")
    inline = deployment("x", key="sk-inline-secret")
    assert describe(inline).endswith("with a key in the config")
    made = plan(config(deployment("x")), config(inline, serial=2))
    assert "sk-inline-secret" not in repr(made) + str(asdict(made)) + "".join(made.lines())


def test_another_inline_key_is_a_change() -> None:
    before, after = config(deployment("x", key="sk-one")), config(deployment("x", key="sk-two"), serial=2)
    lines = plan(before, after).lines()
    assert "no model changes" not in lines
