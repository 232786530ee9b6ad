"""`ao providers`: what the catalogue has, without a site and without a call."""

from __future__ import annotations

import json

from click.testing import CliRunner

from appliance.cli.main import main


def ran(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["providers", *arguments])
    return done.exit_code, done.output


def test_the_list_can_be_narrowed() -> None:
    code, out = ran("list", "--json")
    rows = json.loads(out)["providers"]
    assert code == 0
    assert len(rows) > 100
    _, out = ran("list", "--json", "--wire", "anthropic", "--confirmed", "secondary", "--region", "cn")
    narrowed = json.loads(out)["providers"]
    assert {row["wire"] for row in narrowed} == {"anthropic"}
    assert {row["id"] for row in narrowed} == {"minimax-cn"}
    _, out = ran("list", "--json", "--region", "eu")
    assert {"bedrock-converse", "stackit"} <= {row["id"] for row in json.loads(out)["providers"]}


def test_the_list_is_a_table() -> None:
    code, out = ran("list", "--wire", "bedrock")
    assert code == 0
    assert out.splitlines()[1].split()[:4] == ["bedrock-converse", "bedrock", "no", "partly"]


def test_a_row_is_shown_with_how_a_config_names_it() -> None:
    code, out = ran("show", "vertex")
    assert code == 0
    assert "provider: {name: vertex, parameters: {region: …, project: …}, api_key: ${NAME}}" in out
    _, out = ran("show", "anthropic", "--json")
    assert json.loads(out)["endpoints"] == ["chat/completions", "messages", "messages/count_tokens"]
    assert json.loads(out)["defaults"] == {"max_tokens": "4096"}


def test_a_row_that_is_none_is_refused() -> None:
    code, out = ran("show", "no-such")
    assert code == 69
    assert "provider_unknown" in out
