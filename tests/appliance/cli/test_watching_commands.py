"""`ao anomaly` and `ao webhooks`: what is set holds and is in the audit trail; what waits is shown and sent again."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.access import kept_histories as kept
from appliance.access.anomaly.history import DAY, HOUR, Happened, History, learn
from appliance.access.keys import find_key
from appliance.observe.events import event_of
from appliance.state.database import transaction
from appliance.state.outgoing import Wanting, enqueue, fan_out, give_up_and_forget
from appliance.state.site import open_site
from tests.appliance.cli.commands import ao
from tests.appliance.papers import DEMO_MODELS
from tests.appliance.sites import licensed_site

SECRET = "webhook-secret-0123456789"
HOOK = f"webhooks:\n  - name: siem\n    url: http://127.0.0.1:9/ao\n    secret: {SECRET}\n    events: [usage.*]\n"
NOW = datetime(2027, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    licensed_site(tmp_path / "state", DEMO_MODELS + HOOK).close()
    ao("keys", "create", "--name", "bot", "--org", "bank", "--team", "cards", state=tmp_path / "state")
    return tmp_path / "state"


def told(state: Path, *words: str, code: int = 0) -> dict[str, Any]:
    said = ao(*words, "--json", state=state)
    assert (said.code, said.fault) == (code, None), said
    answer: dict[str, Any] = json.loads(said.out)
    return answer


def rules(state: Path) -> dict[tuple[str | None, str | None], tuple[str, str]]:
    listed = told(state, "anomaly", "list")["rules"]
    return {(each["org"], each["team"]): (each["sensitivity"], each["mode"]) for each in listed}


def test_a_site_is_watched_in_shadow_until_it_is_told_otherwise(state: Path) -> None:
    assert rules(state) == {(None, None): ("normal", "shadow")}
    assert told(state, "anomaly", "show", "bot")["mode"] == "shadow"


def test_the_nearest_rule_holds_and_what_is_not_named_stays(state: Path) -> None:
    told(state, "anomaly", "set", "--mode", "enforce")
    told(state, "anomaly", "set", "--org", "bank", "--sensitivity", "low")
    told(state, "anomaly", "set", "--org", "bank", "--team", "cards", "--sensitivity", "off")
    assert rules(state) == {
        (None, None): ("normal", "enforce"),
        ("bank", None): ("low", "enforce"),
        ("bank", "cards"): ("off", "enforce"),
    }
    shown = told(state, "anomaly", "show", "bot")
    assert (shown["sensitivity"], shown["threshold"]) == ("off", None)
    acts = told(state, "audit", "search", "--act", "anomaly.set")["entries"]
    assert len(acts) == 3
    assert "'bank'/'cards': low, enforce → off, enforce" in acts[-1]["subject"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("set", "--org", "nobody", "--sensitivity", "low"), 73),
        (("set", "--team", "cards", "--sensitivity", "low"), 72),
        (("set", "--org", "bank"), 72),
        (("show", "nobody"), 70),
        (("list", "--key", "nobody"), 70),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(state: Path, words: tuple[str, ...], code: int) -> None:
    said = ao("anomaly", *words, state=state)
    assert (said.code, said.fault) == (code, None)
    assert rules(state) == {(None, None): ("normal", "shadow")}


def test_a_key_is_shown_with_what_is_usual_for_it_and_what_is_not(state: Path) -> None:
    start = 20_454 * DAY
    history = History()
    for day in range(20):
        for number in range(60):
            at = start + day * DAY + 9 * HOUR + number * 300_000
            learn(history, Happened(at, at, "10.1.1.0/24", "chat", 500))
    at = start + 19 * DAY + 13 * HOUR + 59 * 60_000
    learn(history, Happened(at, at, "203.0.113.0/24", "chat", 500))
    with closing(open_site(state)) as site, transaction(site.database) as db:
        kept.put_history(db, find_key(db, "bot").account, history)
    shown = told(state, "anomaly", "show", "bot")
    assert set(shown["networks"]) == {"10.1.1.0/24", "203.0.113.0/24"}
    assert shown["hours_utc"]["working_days"] == [9, 10, 11, 12, 13]
    assert shown["score"] >= 40
    words = ao("anomaly", "show", "bot", state=state).out
    assert "used from 203.0.113.0/24, far from all before, not seen before (+40)" in words
    assert "working days 09–14" in words


def test_a_rotated_key_goes_on_with_its_history(state: Path) -> None:
    with closing(open_site(state)) as site, transaction(site.database) as db:
        kept.put_history(db, find_key(db, "bot").account, History(days=9, requests=500))
    made = told(state, "keys", "rotate", "bot")
    assert told(state, "anomaly", "show", made["id"])["days"] == 9


def test_a_spoilt_history_is_begun_anew(state: Path) -> None:
    with closing(open_site(state)) as site:
        site.database.execute("INSERT INTO key_histories (account, history) SELECT account, '{\"days\":' FROM api_keys")
    assert told(state, "anomaly", "show", "bot")["days"] == 0


def test_webhooks_are_listed_without_their_secrets(state: Path) -> None:
    said = ao("webhooks", "list", "--json", state=state)
    assert SECRET not in said.out
    assert json.loads(said.out)["webhooks"] == [
        {"name": "siem", "url": "http://127.0.0.1:9/ao", "events": ["usage.*"], "waiting": 0, "dead": 0, "said": None}
    ]


def test_a_test_says_that_nobody_sends_it_while_nothing_serves(state: Path) -> None:
    answer = told(state, "webhooks", "test", "siem", "--wait", "0", code=1)
    assert answer["delivered"] is False
    assert "is ao serve running?" in answer["said"]
    assert [each["event"] for each in told(state, "webhooks", "queue")["events"]] == ["webhook.test"]
    assert told(state, "webhooks", "test", "nobody", "--wait", "0", code=76)["error"]["code"] == "webhook_unknown"


def test_dead_letters_are_shown_and_sent_again(state: Path) -> None:
    with closing(open_site(state)) as site:
        with transaction(site.database) as db:
            enqueue(db, "usage.sealed", {"seq": 1}, NOW)
        fan_out(site.database, site.id, site.epoch, [Wanting("siem", ("*",))], event_of, NOW)
        give_up_and_forget(site.database, {}, NOW.timestamp() + 1)
    dead = told(state, "webhooks", "queue", "--dead")["events"]
    assert [(each["event"], each["said"]) for each in dead] == [("usage.sealed", "no such address in the config")]
    assert told(state, "webhooks", "list")["webhooks"][0]["dead"] == 1
    assert told(state, "webhooks", "retry", dead[0]["id"])["again"] == 1
    assert told(state, "webhooks", "queue", "--dead")["events"] == []
    assert [each["event"] for each in told(state, "webhooks", "queue")["events"]] == ["usage.sealed"]
    assert told(state, "webhooks", "retry", "nothing", code=76)["error"]["code"] == "webhook_unknown"
    assert ao("webhooks", "retry", state=state).code == 2


def test_with_no_webhooks_there_are_none_to_list(tmp_path: Path) -> None:
    licensed_site(tmp_path / "state", DEMO_MODELS).close()
    assert ao("webhooks", "list", state=tmp_path / "state").out == "The config names no webhooks.\n"
