"""What a config may say of catalogue rows and of rows of its own: refusals name the line, features follow the row."""

from __future__ import annotations

import pytest

from appliance.config.features import asked_features, feature_of
from appliance.config.model import Config, Deployment
from appliance.config.plan import describe, plan
from appliance.errors import ConfigRefused
from tests.appliance.config.test_model import model, read

OWN = (
    "providers:\n  - {id: own, api_base: 'https://{region}.house.example/v1', auth: x-api-key, quirks: [max_tokens]}\n"
)


def one(text: str) -> Deployment:
    (deployment,) = read(text).deployments
    return deployment


def own(members: str) -> Config:
    return read(f"providers:\n  - {{{members}}}\n" + model("name: own"))


def test_a_row_brings_its_address() -> None:
    made = one(model("name: deepseek, api_key: '${DEEPSEEK_KEY}'"))
    assert made.api_base == "https://api.deepseek.com"
    assert (made.provider, made.api_key, made.model) == ("deepseek", "${DEEPSEEK_KEY}", "chat")


def test_an_address_of_ones_own_goes_before_the_rows() -> None:
    assert one(model("name: deepseek, api_base: 'https://proxy.house/ds/'")).api_base == "https://proxy.house/ds"
    made = one(model("name: azure-classic, api_base: 'https://proxy.house'"))
    assert made.parameter("api_version") == "2024-10-21"


@pytest.mark.parametrize(
    ("provider", "address"),
    [
        ("name: bedrock-converse, region: eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        ("name: bedrock-converse, parameters: {region: us-1}", "https://bedrock-runtime.us-1.amazonaws.com"),
        ("name: vllm, parameters: {host: gpu-7}", "http://gpu-7:8000/v1"),
        (
            "name: vertex, region: europe-west4, parameters: {project: p-1}",
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west4/publishers/google",
        ),
    ],
)
def test_parameters_fill_in_the_address(provider: str, address: str) -> None:
    assert one(model(provider)).api_base == address


@pytest.mark.parametrize(
    "provider",
    [
        "name: bedrock-converse",
        "name: bedrock-converse, api_base: 'https://proxy.house'",
        "name: vertex, region: europe-west4",
        "name: vllm",
        "name: deepseek, region: cn",
        "name: deepseek, parameters: {colour: red}",
        "name: vllm, parameters: {host: 'evil.example/x'}",
        "name: vllm, parameters: {host: 'a@b'}",
        "name: vllm, parameters: {host: ''}",
        "name: anthropic, parameters: {max_tokens: many}",
        "name: anthropic, parameters: {max_tokens: 5}",
        "name: demo, parameters: {a: b}",
        "name: no-such-row",
    ],
)
def test_what_a_row_does_not_take_or_lacks_is_refused_with_its_line(provider: str) -> None:
    with pytest.raises(ConfigRefused) as caught:
        read(model(provider))
    assert "line 8" in str(caught.value)


def test_a_row_of_the_configs_own_is_as_good_as_any() -> None:
    made = one(OWN + model("name: own, region: north, api_key: k"))
    assert (made.api_base, made.auth) == ("https://north.house.example/v1", "x-api-key")
    assert made.row is not None
    assert made.row.quirks == ("max_tokens",)


@pytest.mark.parametrize(
    "members",
    [
        "id: deepseek, api_base: 'https://h.example'",
        "id: demo, api_base: 'https://h.example'",
        "id: own, api_base: 'http://h.example'",
        "id: own, api_base: 'ftp://h.example'",
        "id: own, api_base: 'https://user@h.example'",
        "id: own, api_base: 'https://h.example/?a=b'",
        "id: own, api_base: 'https://{REGION}.example'",
        "id: own, api_base: 'https://h.example', endpoints: [chat/completion]",
        "id: own, api_base: 'https://h.example', wire: bedrock",
        "id: own, api_base: 'https://h.example', wire: telegraph",
        "id: own, api_base: 'https://h.example', quirks: [colour]",
        "id: own, api_base: 'https://h.example', auth: none, wire: gemini",
        "id: own, api_base: 'https://h.example', defaults: {a: 'b/c'}",
        "id: own, api_base: 'https://h.example', colour: red",
        "id: Own, api_base: 'https://h.example'",
        "id: own",
    ],
)
def test_a_row_that_does_not_hold_together_is_refused_with_its_line(members: str) -> None:
    with pytest.raises(ConfigRefused) as caught:
        own(members)
    assert "line 7" in str(caught.value)


def test_a_rows_address_with_a_port_that_is_none_is_refused_where_it_is_named() -> None:
    with pytest.raises(ConfigRefused, match="cannot be called"):
        own("id: own, api_base: 'https://h.example:99999'")


def test_two_rows_of_one_name_are_refused() -> None:
    row = "{id: own, api_base: 'https://h.example'}"
    with pytest.raises(ConfigRefused, match="call this one otherwise"):
        read(f"providers:\n  - {row}\n  - {row}\n" + model("name: own"))


@pytest.mark.parametrize(
    ("provider", "feature"),
    [
        ("name: demo", "demo"),
        ("name: openai-compatible, api_base: 'http://gpu/v1'", "self_hosting"),
        ("name: vllm, parameters: {host: gpu}", "self_hosting"),
        ("name: ollama, api_base: 'http://gpu:1/v1'", "self_hosting"),
        ("name: openai", "byok"),
        ("name: anthropic", "byok"),
    ],
)
def test_the_feature_follows_the_row(provider: str, feature: str) -> None:
    assert feature_of(one(model(provider))) == feature


def test_a_row_of_ones_own_is_an_account_unless_it_says_that_it_is_private() -> None:
    private = "providers:\n  - {id: own, api_base: 'http://h.example', private: true}\n" + model("name: own")
    assert [each.feature for each in asked_features(read(private))] == ["self_hosting"]
    assert [each.feature for each in asked_features(own("id: own, api_base: 'https://h.example'"))] == ["byok"]


def test_a_plan_shows_what_a_row_changes() -> None:
    before = own("id: own, api_base: 'https://h.example'")
    after = own("id: own, api_base: 'https://h.example', auth: api-key, quirks: [one_choice]")
    (change,) = plan(before, after).changes
    assert change.before != change.after
    assert "auth=api-key, endpoints=any, quirk=one_choice" in change.after[0]
    assert describe(one(model("name: anthropic"))).endswith("(max_tokens=4096)")
    assert describe(one(model("name: openai"))) == "openai chat at https://api.openai.com/v1"
