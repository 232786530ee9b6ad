"""What a config may say: every refusal names the key and the line."""

from __future__ import annotations

import pytest

from appliance.config.model import Config, read_config
from appliance.errors import ConfigRefused
from appliance.providers.registry import known_needs
from licensing.config_header import header_of
from media.strict_yaml import load
from tests.appliance.papers import DEMO_MODELS, SITE, config_head

HEAD_LINES = 5
GOOD = "  - alias: a\n    provider: {name: openai-compatible, api_base: 'http://gpu/v1'}\n"


def read(text: str) -> Config:
    document = load((config_head() + text).encode())
    assert isinstance(document.value, dict)
    return read_config(document, header_of(document.value), known_needs())


def model(provider: str, *, alias: str = "chat", more: str = "") -> str:
    return f"models:\n  - alias: {alias}\n    provider: {{{provider}}}\n{more}"


def test_a_config_is_read_with_every_default_filled_in() -> None:
    config = read(
        "models:\n"
        "  - alias: org/chat:7b@v1\n"
        "    provider:\n"
        "      name: openai-compatible\n"
        "      api_base: https://gpu-1:8443/openai/v1/\n"
        "      api_key: ${GPU_KEY}\n"
        "    tags: [eu, fast]\n"
        "  - alias: chat\n    provider:\n      name: demo\n      model: small\n"
        "  - alias: org/chat:7b@v1\n    provider: {name: demo}\n"
    )
    assert (config.serial, config.site) == (1, SITE)
    first, second, third = config.deployments
    assert (first.model, first.api_base) == ("org/chat:7b@v1", "https://gpu-1:8443/openai/v1")
    assert (first.api_key, first.tags) == ("${GPU_KEY}", ("eu", "fast"))
    assert (second.model, second.api_base, second.api_key, second.tags) == ("small", None, None, ())
    assert [each.id.rpartition("#")[0] for each in config.deployments] == ["org/chat:7b@v1", "chat", "org/chat:7b@v1"]
    assert len({each.id for each in config.deployments}) == 3
    assert third.weight == 1
    assert config.aliases == ("org/chat:7b@v1", "chat")


REFUSED = {
    "no models": ("", 1, "models"),
    "models that are no list": ("models: chat\n", 6, "models"),
    "an empty list": ("models: []\n", 6, "models"),
    "an unknown setting on top": (DEMO_MODELS + "telemetry: true\n", 10, "telemetry"),
    "an unknown setting of a model": (model("name: demo", more="    wait: 1\n"), 9, "models[0].wait"),
    "an unknown setting of a provider": (model("name: demo, colour: red"), 8, "models[0].provider.colour"),
    "a model without an alias": ("models:\n  - provider: {name: demo}\n", 7, "models[0].alias"),
    "a model without a provider": ("models:\n  - alias: chat\n", 7, "models[0].provider"),
    "an alias with a blank": (model("name: demo", alias="'my chat'"), 7, "models[0].alias"),
    "an alias that is a number": (model("name: demo", alias="7"), 7, "models[0].alias"),
    "an alias with a line end": (model("name: demo", alias='"chat\\n"'), 7, "models[0].alias"),
    "an empty alias": (model("name: demo", alias="''"), 7, "models[0].alias"),
    "an alias of 129 characters": (model("name: demo", alias="a" * 129), 7, "models[0].alias"),
    "a provider that is not there": (model("name: oracle"), 8, "models[0].provider.name"),
    "a missing api_base": (model("name: openai-compatible"), 8, "models[0].provider"),
    "an api_base too many": (model("name: demo, api_base: 'http://x'"), 8, "models[0].provider.api_base"),
    "an api_key too many": (model("name: demo, api_key: x"), 8, "models[0].provider.api_key"),
    "a region": (model("name: demo, region: eu"), 8, "models[0].provider.region"),
    "a second model at fault": (
        "models:\n" + GOOD + "  - alias: b\n    provider: {name: x}\n",
        10,
        "models[1].provider.name",
    ),
    "a tag with a blank": (model("name: demo", more="    tags: [ok, 'not ok']\n"), 9, "models[0].tags[1]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_the_line_and_the_key(case: str) -> None:
    text, line, key = REFUSED[case]
    with pytest.raises(ConfigRefused) as refused:
        read(text)
    assert refused.value.where == f"line {line}, {key}"
    assert refused.value.message.endswith(".")
    assert refused.value.exit_code == 60


BASES = [
    "ftp://gpu/v1",
    "gpu:8000/v1",
    "http://",
    "http://user:pass@gpu/v1",
    "http://gpu/v1?key=x",
    "http://gpu/v1#x",
    "http://gpu /v1",
    "file:///etc/passwd",
    "http://gpu:99999/v1",
    "http://gpu:port/v1",
    "http://[::1/v1",
]


@pytest.mark.parametrize("base", BASES)
def test_an_address_that_cannot_be_called_is_refused_when_it_is_written(base: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        read(model(f"name: openai-compatible, api_base: '{base}'"))
    assert refused.value.where == "line 8, models[0].provider.api_base"


@pytest.mark.parametrize("key", ["${lower}", "${A", "$A", "x${A}", "${A}${B}", "${}", "${1A}", "${A-B}"])
def test_a_key_is_itself_or_one_name(key: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        read(model(f"name: openai-compatible, api_base: 'http://gpu', api_key: '{key}'"))
    assert refused.value.where == "line 8, models[0].provider.api_key"


def test_a_refusal_never_repeats_a_key() -> None:
    for provider in ("demo", "openai-compatible", "nobody"):
        with pytest.raises(ConfigRefused) as refused:
            read(model(f"name: {provider}, api_key: sk-very-secret$"))
        assert "sk-very-secret" not in str(refused.value)
