"""Who looks for an act finds it, and nothing else."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.operations.keys import create_key, pause_key
from appliance.state.site import open_site
from licensing.document import format_time
from tests.appliance.cli.commands import ao
from tests.appliance.papers import NOW, entropy
from tests.appliance.sites import make_site


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    with closing(make_site(folder)) as site:
        for number, name in enumerate(("billing-bot", "shop")):
            at = NOW + timedelta(days=number)
            create_key(site, name=name, org="o", team="t", expires_at=None, now=at, entropy=entropy(name, 32))
        pause_key(site, "shop", "a LEAK", NOW + timedelta(days=2))
    return folder


def found(state: Path, *asked: str) -> list[str]:
    said = ao("audit", "search", *asked, "--json", state=state)
    assert said.code == (0 if json.loads(said.out)["entries"] else 1)
    return [each["act"] for each in json.loads(said.out)["entries"]]


def test_what_is_asked_for_adds_up(state: Path) -> None:
    assert found(state, "--act", "key") == ["key.create", "key.create", "key.pause"]
    assert found(state, "--act", "key.create", "--text", "SHOP") == ["key.create"]
    assert found(state, "--text", "a leak") == ["key.pause"]
    assert found(state, "--act", "ke") == [], "a name, not the beginning of one"
    assert found(state, "--who", "nobody-of-this-name") == []
    assert found(state, "--act", "key", "--last", "1") == ["key.pause"]


def test_days_and_times_bound_what_is_found(state: Path) -> None:
    middle = format_time(NOW + timedelta(days=1))
    assert found(state, "--act", "key", "--since", middle) == ["key.create", "key.pause"]
    assert found(state, "--act", "key", "--until", middle) == ["key.create"]


def test_the_trail_can_be_opened_by_the_key_that_wrote_it(state: Path) -> None:
    with closing(open_site(state)) as site:
        assert site.verify_audit().first_bad is None
