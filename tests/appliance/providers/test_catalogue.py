"""The catalogue: a hundred endpoints and more, each row well formed, and none in it that should not be."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, get_args

import pytest

from appliance.config.model import Deployment
from appliance.providers import quirks
from appliance.providers.catalogue import catalogue, row_of
from appliance.providers.registry import provider_of_row
from appliance.providers.row import AUTHS, AUTHS_OF_WIRE, WIRES, Confirmed, ProviderRow, Quirk, address_of
from media.strict_yaml import load
from tests.appliance.providers.sent import body_of
from tests.rules.tree import ROOT

FOLDER = ROOT / "appliance" / "providers"
ROWS = list(catalogue().values())


def written() -> list[dict[str, Any]]:
    document = load((FOLDER / "catalogue.yaml").read_bytes()).value
    assert isinstance(document, dict)
    rows: Any = document["providers"]
    return list(rows)


def test_there_are_more_than_a_hundred_each_once_and_in_order() -> None:
    ids = [str(row["id"]) for row in written()]
    assert len(ids) > 100
    assert ids == sorted(set(ids))
    assert set(catalogue()) == set(ids)


def test_what_is_loaded_is_what_people_read() -> None:
    assert json.loads((FOLDER / "catalogue.json").read_bytes()) == written()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_well_formed(row: ProviderRow) -> None:
    assert row.fault() is None
    assert row.wire in WIRES
    assert row.auth in AUTHS
    assert row.confirmed in get_args(Confirmed)
    assert row.confirmed != "config"
    assert row.title
    assert row.source
    assert set(row.quirks) <= set(quirks.QUIRKS)
    address = address_of(row.api_base, dict.fromkeys(row.parameters, "x1"))
    assert address.startswith("http://x1:" if row.private else "https://")
    assert "{" not in address
    assert not address.endswith("/")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_has_wires_for_the_endpoints_that_it_names(row: ProviderRow) -> None:
    wires = provider_of_row(row).wires
    assert "chat/completions" in wires
    assert row.endpoints is None or set(wires) <= set(row.endpoints)


def test_plans_and_resellers_are_left_out() -> None:
    left_out = {"github-copilot", "kimi-for-coding", "zai-coding-plan", "openrouter", "vercel-ai-gateway", "poe"}
    assert left_out.isdisjoint(catalogue())
    assert not [row.id for row in ROWS if "plan" in row.id or "subscription plan" in (row.notes or "")]


def test_private_servers_are_there_with_the_rest_of_the_field() -> None:
    private = {row.id for row in ROWS if row.private}
    assert {"vllm", "tgi", "sglang", "lmdeploy", "triton", "ollama", "llamacpp"} <= private
    assert set(Counter(row.wire for row in ROWS)) == set(WIRES)


def test_every_quirk_has_a_name_a_meaning_and_a_row_may_carry_it() -> None:
    assert set(get_args(Quirk)) == set(quirks.QUIRKS)
    assert all(each.__doc__ for each in quirks.QUIRKS.values())
    assert set(AUTHS_OF_WIRE) == set(WIRES)


def test_a_row_with_a_name_that_no_row_has_is_none() -> None:
    with pytest.raises(TypeError):
        row_of({**written()[0], "colour": "red"})


def deployment(row: ProviderRow, model: str = "dep/1") -> Deployment:
    return Deployment("a#0", "a", row.id, model, "https://h.example", "k", (), row, dict(row.defaults))


def test_azure_has_the_deployment_in_its_path_and_a_version_in_its_query() -> None:
    from appliance.gateway.request import parse_call

    row = catalogue()["azure-classic"]
    wire = provider_of_row(row).wires["chat/completions"]
    call = parse_call("chat/completions", b'{"model":"a","messages":[],"stream":true}', "x=1")
    built = wire.request(call, deployment(row), "sk-1")
    assert built.url == "https://h.example/openai/deployments/dep%2F1/chat/completions?api-version=2024-10-21&x=1"
    assert dict(built.headers)["api-key"] == "sk-1"
    assert "authorization" not in dict(built.headers)
    assert json.loads(body_of(built))["stream_options"] == {"include_usage": True}
    assert "embeddings" in provider_of_row(row).wires


def test_anthropics_own_endpoints_are_passed_on() -> None:
    from appliance.gateway.request import parse_call

    row = catalogue()["anthropic"]
    for endpoint in ("messages", "messages/count_tokens"):
        wire = provider_of_row(row).wires[endpoint]
        call = parse_call(endpoint, b'{"model":"a","messages":[ 1.50 ],"thinking":{}}', "beta=true")
        built = wire.request(call, deployment(row, "claude-x"), "sk-1")
        assert built.url == f"https://h.example/{endpoint}?beta=true"
        assert built.body == b'{"model":"claude-x","messages":[ 1.50 ],"thinking":{}}'
        assert dict(built.headers)["x-api-key"] == "sk-1"
        assert (wire.whole, wire.stream) == (None, None)
