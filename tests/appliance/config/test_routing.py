"""What an officer may write under `routing:`, and what is refused before it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config.model import Config
from appliance.config.plan import plan
from appliance.config.policy import AS_WRITTEN, NOT_TAKEN_ON, Limits, Price, Probe, Timeouts
from appliance.config.presets import PRESETS, preset_text
from appliance.config.words import policy_in_words
from appliance.errors import ConfigRefused
from appliance.operations.config import examine_config
from tests.appliance.config.test_model import read
from tests.appliance.papers import NOW, config_bytes
from tests.appliance.sites import any_secret, licensed_site, on_stick, put_licence

MODELS = """models:
  - alias: chat
    provider: {name: openai-compatible, api_base: 'http://a/v1'}
    tags: [eu, private]
    weight: 90
    price: {input: 1, output: 2.5}
    limits: {concurrent: 8, queue: 16, queue_seconds: 2}
    timeouts: {connect_seconds: 1, first_byte_seconds: 20, idle_seconds: 5, total_seconds: 60}
    probe: {path: /health, every_seconds: 10, timeout_seconds: 2}
  - alias: chat
    provider: {name: openai-compatible, api_base: 'http://b/v1'}
    tags: [cn]
    weight: 10
    price: {input: 2, output: 2}
  - alias: small
    provider: {name: demo}
"""
FIRST_LINE = 6 + MODELS.count("\n")
"""Where `routing:` stands."""


def routed(text: str, models: str = MODELS) -> Config:
    return read(models + "routing:\n" + text)


def test_what_an_entry_says_for_routing_is_read() -> None:
    first, second, third = read(MODELS).deployments
    assert (first.weight, first.price, first.limits) == (90, Price(1, 2.5), Limits(8, 16, 2))
    assert (first.timeouts, first.probe) == (Timeouts(1, 20, 5, 60), Probe("/health", 10, 2))
    assert (second.limits, second.timeouts, second.probe) == (Limits(), Timeouts(), None)
    assert (third.weight, third.price) == (1, None)
    assert read(MODELS).policy("chat") is AS_WRITTEN


def test_a_policy_is_read_with_every_default_filled_in() -> None:
    policy = routed("""  chat:
    filter:
      - keep_from_header: X-AO-Tags
      - {when: {team: [payments]}, keep: [eu]}
    order: [cost, {tags: [private], when: {header: x-tier, is: [gold]}}, {by: latency}]
    pick: sticky
    sticky: [user, {header: X-Session-Id}, {prompt_bytes: 512}]
    fall_back:
      on: [unreachable, busy, full]
      aliases: [{to: small, on: [context_too_long]}]
    retry: {rounds: 2}
    tell: [header, log]
""").policy("chat")
    assert [rule.from_header for rule in policy.filter] == [b"x-ao-tags", b""]
    assert policy.filter[1].when is not None
    assert policy.filter[1].when.values == {"payments"}
    assert [step.by for step in policy.order] == ["cost", "tags", "latency"]
    assert [each.what for each in policy.sticky] == ["user", "header", "prompt"]
    assert (policy.sticky[1].header, policy.sticky[2].prompt_bytes) == (b"x-session-id", 512)
    assert policy.on == NOT_TAKEN_ON
    assert [(chain.alias, chain.on) for chain in policy.chains] == [("small", frozenset({"context_too_long"}))]
    assert (policy.retry.rounds, policy.retry.on) == (2, NOT_TAKEN_ON)
    assert (policy.tell_header, policy.tell_log, policy.circuit) == (True, True, AS_WRITTEN.circuit)


def test_a_star_is_for_every_alias_that_is_not_named() -> None:
    config = routed("  '*': balanced\n  small: fastest\n")
    assert (config.policy("chat").name, config.policy("small").name) == ("balanced", "fastest")
    assert config.own_routing == frozenset()


REFUSED = {
    "a preset that is not there": ("  chat: quickest\n", 1, "routing.chat"),
    "an alias that is not there": ("  chatt: balanced\n", 1, "routing.chatt"),
    "a policy that is a number": ("  chat: 7\n", 1, "routing.chat"),
    "an unknown setting": ("  chat:\n    pick: first\n    colour: red\n", 3, "routing.chat.colour"),
    "an unknown order": ("  chat:\n    order: [beauty]\n", 2, "routing.chat.order[0].by"),
    "an unknown cause": ("  chat:\n    fall_back:\n      on: [bored]\n", 3, "routing.chat.fall_back.on[0]"),
    "a fallback to nowhere": (
        "  chat:\n    fall_back:\n      aliases:\n        - to: large\n",
        4,
        "routing.chat.fall_back.aliases[0].to",
    ),
    "a fallback to itself": (
        "  chat:\n    fall_back:\n      aliases:\n        - to: chat\n",
        4,
        "routing.chat.fall_back.aliases[0].to",
    ),
    "a filter with a tag that nobody has": (
        "  chat:\n    filter:\n      - keep: [mars]\n",
        3,
        "routing.chat.filter[0]",
    ),
    "an order with a tag that nobody has": ("  chat:\n    order:\n      - tags: [mars]\n", 3, "routing.chat.order[0]"),
    "cost without prices": ("  small: cheapest\n", 1, "routing.small"),
    "cost without prices, by a star": ("  '*': cheapest\n", 1, 'routing["*"]'),
    "sticky by nothing": ("  chat:\n    pick: sticky\n", 1, "routing.chat"),
    "sticky that is not picked": ("  chat:\n    sticky: [user]\n", 1, "routing.chat"),
    "a condition on two things": (
        "  chat:\n    filter:\n      - keep: [eu]\n        when: {team: [a], org: [b]}\n",
        4,
        "routing.chat.filter[0].when",
    ),
    "a condition on a header that says nothing": (
        "  chat:\n    filter:\n      - keep: [eu]\n        when: {header: x-tier}\n",
        4,
        "routing.chat.filter[0].when",
    ),
    "a header that holds a secret": (
        "  chat:\n    filter:\n      - keep_from_header: Authorization\n",
        1,
        "routing.chat",
    ),
    "a rule without tags": ("  chat:\n    filter:\n      - when: {team: [a]}\n", 3, "routing.chat.filter[0]"),
    "too many rounds": ("  chat:\n    retry: {rounds: 100}\n", 2, "routing.chat.retry.rounds"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_policy_that_could_not_work_is_refused_with_line_and_key(case: str) -> None:
    text, line, key = REFUSED[case]
    with pytest.raises(ConfigRefused) as refused:
        routed(text)
    assert refused.value.where == f"line {FIRST_LINE + line}, {key}"
    assert refused.value.message.endswith(".")


def test_weights_that_are_all_zero_are_refused_where_they_are_drawn_by() -> None:
    zero = MODELS.replace("weight: 90", "weight: 0").replace("weight: 10", "weight: 0")
    read(zero)
    with pytest.raises(ConfigRefused, match="weight 0"):
        routed("  chat: balanced\n", zero)


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ("weight: -1", "weight"),
        ("weight: true", "weight"),
        ("limits: {concurrent: 0}", "limits.concurrent"),
        ("limits: {queue: 3}", "limits.concurrent"),
        ("timeouts: {idle_seconds: 0}", "timeouts.idle_seconds"),
        ("price: {input: 1}", "price.output"),
        ("probe: {path: 'http://elsewhere/'}", "probe.path"),
        ("probe: {path: /x}", "probe"),
    ],
)
def test_what_an_entry_says_is_checked(entry: str, key: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        read(f"models:\n  - alias: chat\n    provider: {{name: demo}}\n    {entry}\n")
    assert refused.value.where == f"line 9, models[0].{key}"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_policy_that_anybody_could_have_written(name: str) -> None:
    """The file's own text, put into a config, is read as the same policy."""
    models = MODELS.replace("{name: demo}", "{name: demo}\n    price: {input: 0, output: 0}")
    indented = "".join(f"    {line}\n" for line in preset_text(name).splitlines())
    preset, own = routed(f"  chat: {name}\n", models), routed(f"  chat:\n{indented}", models)
    assert own.own_routing == {"chat"}
    assert preset.policy("chat") == own.policy("chat").__class__(
        **{field: getattr(own.policy("chat"), field) for field in own.policy("chat").__slots__} | {"name": name}
    )


OWN = "  chat:\n    pick: weighted\n"


def test_below_enterprise_a_licence_has_presets_and_no_policies_of_its_own(tmp_path: Path) -> None:
    models = "models:\n  - alias: chat\n    provider: {name: demo}\nrouting:\n"
    site = licensed_site(tmp_path / "state")
    put_licence(site, serial=2, edition="business", add_ons=["demo"])
    own = on_stick(site, "own.yaml.signed", config_bytes(models + OWN, serial=2))
    with pytest.raises(ConfigRefused) as refused:
        examine_config(site, own, any_secret, NOW)
    assert str(refused.value.where).endswith("own.yaml.signed, line 10, routing.chat")
    assert "routing of your own" in refused.value.message
    assert "Enterprise" in refused.value.message
    preset = on_stick(site, "preset.yaml.signed", config_bytes(models + "  chat: balanced\n", serial=2))
    assert examine_config(site, preset, any_secret, NOW).plan.serial_after == 2
    put_licence(site, serial=3)
    assert examine_config(site, own, any_secret, NOW).plan.serial_after == 2
    site.close()


def test_an_id_stays_when_entries_are_moved_about_and_tells_no_key() -> None:
    one, two = (
        "  - alias: chat\n    provider: {name: openai-compatible, api_base: 'http://a/v1', api_key: sk-one}\n",
        "  - alias: chat\n    provider: {name: openai-compatible, api_base: 'http://b/v1', api_key: '${B}'}\n",
    )
    first, second = read("models:\n" + one + two).deployments
    assert [each.id for each in read("models:\n" + two + one).deployments] == [second.id, first.id]
    assert read("models:\n" + one.replace("sk-one", "sk-two")).deployments[0].id == first.id
    assert read("models:\n" + two.replace("${B}", "${C}")).deployments[0].id != second.id
    twins = read("models:\n" + one + one).deployments
    assert [each.id for each in twins] == [first.id, f"{first.id}.2"]


def test_what_changes_in_the_routing_is_shown_before_it_is_agreed_to() -> None:
    before, after = routed("  chat: balanced\n"), routed("  chat: {pick: weighted, when_full: wait}\n")
    (change,) = plan(before, after).changes
    assert change.alias == "chat"
    assert change.before[-1] == "routing balanced"
    assert change.after[-1] == "routing of your own: pick weighted; when_full wait"
    assert "weight 90, limits {concurrent 8, queue 16, queue_seconds 2}, timeouts {connect_seconds 1" in change.after[0]
    assert plan(before, before).changes == ()


def test_every_setting_of_a_policy_is_in_its_words() -> None:
    policy = routed("""  chat:
    filter: [{keep: [eu], when: {header: x-tier, is: [gold]}}]
    fall_back: {aliases: [{to: small, on: [busy]}]}
    circuit: {failures: 2}
    answer_within_seconds: 9
""").policy("chat")
    assert policy_in_words(policy) == (
        "routing of your own: filter [{tags [eu], when {what header, header x-tier, values [gold]}}]; "
        "chains [{alias small, on [busy]}]; circuit {failures 2}; answer_within_seconds 9"
    )
