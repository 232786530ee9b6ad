"""Orgs, teams and caps at the command line: what is asked for holds, is told, and is in the audit trail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.cli.commands import ao
from tests.appliance.papers import DEMO_MODELS
from tests.appliance.sites import licensed_site


@pytest.fixture
def state(tmp_path: Path) -> Path:
    licensed_site(tmp_path / "state", DEMO_MODELS).close()
    ao("keys", "create", "--name", "bot", "--org", "hospital", "--team", "ward", state=tmp_path / "state")
    return tmp_path / "state"


def told(state: Path, *words: str, code: int = 0) -> dict[str, Any]:
    said = ao(*words, "--json", state=state)
    assert said.code == code, said
    answer: dict[str, Any] = json.loads(said.out)
    return answer


def test_a_key_makes_the_org_and_the_team_that_it_names(state: Path) -> None:
    assert [(each["org"], each["teams"], each["keys"]) for each in told(state, "orgs", "list")["orgs"]] == [
        ("hospital", 1, 1)
    ]
    assert [(each["team"], each["keys"]) for each in told(state, "teams", "list", "--org", "hospital")["teams"]] == [
        ("ward", 1)
    ]


def test_caps_are_set_shown_changed_and_taken_away(state: Path) -> None:
    first = told(state, "teams", "limit", "hospital", "ward", "--rpm", "60", "--cost-month", "12.5", "--model", "m*")
    assert first["caps"] == {"rpm": 60, "cost_month": "12.50", "models": ["m*"]}
    second = told(state, "teams", "limit", "hospital", "ward", "--tpm", "5000", "--no", "rpm", "--no", "models")
    assert second["before"] == first["caps"]
    assert second["caps"] == {"tpm": 5000, "cost_month": "12.50"}
    told(state, "teams", "limit", "hospital", "ward", "--channel", "dev", "--concurrent", "1")
    uses = told(state, "teams", "show", "hospital", "ward")["uses"]
    assert [(each["channel"], each["caps"]) for each in uses] == [(None, second["caps"]), ("dev", {"concurrent": 1})]
    assert uses[0]["used"]["tpm"] == 0
    acts = told(state, "audit", "search", "--act", "team.limit")["entries"]
    assert len(acts) == 3
    assert "rpm 60" in acts[0]["subject"]


def test_a_key_has_caps_of_its_own(state: Path) -> None:
    assert told(state, "keys", "limit", "bot", "--tokens-day", "1000")["caps"] == {"tokens_day": 1000}
    assert told(state, "keys", "used", "bot")["uses"][0]["caps"] == {"tokens_day": 1000}
    plain = ao("keys", "used", "bot", state=state)
    assert "tokens_day" in plain.out


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("orgs", "limit", "hospital", "--rpm", "0"), "caps_refused", 72),
        (("orgs", "limit", "hospital", "--cost-day", "much"), "caps_refused", 72),
        (("orgs", "limit", "hospital", "--rpm", "5", "--no", "rpm"), "caps_refused", 72),
        (("orgs", "limit", "nobody", "--rpm", "5"), "team_unknown", 73),
        (("teams", "show", "hospital", "nobody"), "team_unknown", 73),
        (("teams", "create", "nobody", "ward"), "team_unknown", 73),
        (("teams", "create", "hospital", "ward"), "team_refused", 74),
        (("orgs", "create", "\n"), "team_refused", 74),
        (("teams", "delete", "hospital", "ward", "--yes"), "team_refused", 74),
        (("orgs", "delete", "hospital", "--yes"), "team_refused", 74),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    state: Path, words: tuple[str, ...], code: str, exit_code: int
) -> None:
    before = told(state, "orgs", "list"), told(state, "teams", "list")
    assert told(state, *words, code=exit_code)["error"]["code"] == code
    assert (told(state, "orgs", "list"), told(state, "teams", "list")) == before


def test_a_team_without_keys_can_be_taken_away_and_asking_for_json_is_no_consent(state: Path) -> None:
    told(state, "teams", "create", "hospital", "lab")
    told(state, "teams", "limit", "hospital", "lab", "--rpm", "5")
    assert told(state, "teams", "delete", "hospital", "lab", code=1) == {"deleted": False}
    assert told(state, "teams", "delete", "hospital", "lab", "--yes") == {"deleted": True}
    told(state, "teams", "create", "hospital", "lab")
    assert told(state, "teams", "show", "hospital", "lab")["uses"][0]["caps"] == {}, "nothing of before is left"


def test_a_key_moves_between_channels(state: Path) -> None:
    assert told(state, "keys", "show", "bot")["channel"] == "prod"
    assert told(state, "keys", "change", "bot", "--channel", "dev")["channel"] == "dev"
