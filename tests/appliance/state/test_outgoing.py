"""Events on their way: told of exactly when something happened, once for each address that wants them, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.ledger.salvage import salvage
from appliance.observe.events import event_of
from appliance.operations.keys import create_key, pause_key
from appliance.state import outgoing
from appliance.state.database import open_database, transaction
from appliance.state.outgoing import Wanting, enqueue, enqueue_once, fan_out, queue
from appliance.state.site import DATABASE, Site
from tests.appliance.papers import NOW, entropy
from tests.appliance.sites import make_site

ALL = Wanting("all", ("*",))
LATER = NOW.timestamp()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(make_site(tmp_path / "state")) as made:
        yield made


def spread(site: Site, *wanting: Wanting) -> int:
    return fan_out(site.database, site.id, site.epoch, wanting or (ALL,), event_of, NOW)


def events(site: Site, address: str = "all") -> list[str]:
    return [each.event for each in queue(site.database, dead=False) if each.address == address]


def new_key(site: Site, name: str = "bot") -> str:
    made = create_key(site, name=name, org="bank", team="cards", expires_at=None, now=NOW, entropy=entropy(name, 32))
    return made.key.id


def test_what_is_undone_is_told_to_nobody(site: Site) -> None:
    spread(site)
    with suppress(RuntimeError), transaction(site.database) as db:
        enqueue(db, "usage.sealed", {"seq": 1}, NOW)
        raise RuntimeError
    spread(site)
    assert events(site) == []


def test_acts_in_the_audit_trail_become_events_once(site: Site) -> None:
    spread(site)
    key = new_key(site)
    pause_key(site, key, "lost", NOW)
    for _ in range(3):
        spread(site)
    assert events(site) == ["key.created", "key.paused"]
    told = json.loads(queue(site.database, dead=False)[1].body)
    assert told["data"]["who"] == site.actor
    assert key in told["data"]["subject"]
    assert len({each.id for each in queue(site.database, dead=False)}) == 2


def test_the_past_of_a_site_that_never_told_anybody_is_not_told(site: Site) -> None:
    new_key(site)
    spread(site)
    assert events(site) == []
    new_key(site, "other")
    spread(site)
    assert events(site) == ["key.created"]


def test_a_rebuilt_state_does_not_tell_its_past_again(site: Site, tmp_path: Path) -> None:
    spread(site)
    new_key(site)
    spread(site)
    pause_key(site, "bot", "lost", NOW)
    with closing(open_database(tmp_path / "rebuilt.db")) as rebuilt:
        salvage(site.folder / DATABASE, rebuilt)
        fan_out(rebuilt, site.id, site.epoch, (ALL,), event_of, NOW)
        assert [each.event for each in queue(rebuilt, dead=False)] == ["key.created", "key.paused"]


def test_an_address_is_told_what_it_wants_and_nothing_else(site: Site) -> None:
    keys, none = Wanting("keys", ("key.p*", "usage.sealed")), Wanting("none", ("media.*",))
    spread(site, keys, none)
    pause_key(site, new_key(site), "lost", NOW)
    spread(site, keys, none)
    assert events(site, "keys") == ["key.paused"]
    assert events(site, "none") == []


def test_with_nobody_to_tell_nothing_is_kept(site: Site) -> None:
    spread(site)
    new_key(site)
    with transaction(site.database) as db:
        enqueue(db, "usage.sealed", {}, NOW)
    fan_out(site.database, site.id, site.epoch, (), event_of, NOW)
    spread(site)
    assert events(site) == []
    assert site.database.execute("SELECT COUNT(*) FROM outgoing").fetchone()[0] == 0


def test_what_is_told_once_is_told_again_when_its_time_is_over(site: Site) -> None:
    for _ in range(3):
        enqueue_once(site.database, "q", LATER + 60, "quota.exhausted", {}, NOW)
    assert site.database.execute("SELECT COUNT(*) FROM outgoing").fetchone()[0] == 1
    assert enqueue_once(site.database, "q", LATER + 600, "quota.exhausted", {}, NOW + timedelta(seconds=61))


def test_a_full_queue_gives_up_what_comes_and_loses_none_of_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "QUEUE_LIMIT", 2)
    with transaction(site.database) as db:
        for number in range(3):
            enqueue(db, f"event.{number}", {}, NOW)
    spread(site)
    assert events(site) == ["event.0", "event.1"]
    assert [(each.event, each.said) for each in queue(site.database, dead=True)] == [("event.2", "the queue is full")]


def test_dead_letters_are_forgotten_after_a_month_and_beyond_their_number(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "DEAD_LIMIT", 2)
    with transaction(site.database) as db:
        for number in range(4):
            enqueue(db, f"event.{number}", {}, NOW)
    spread(site)
    outgoing.give_up_and_forget(site.database, {"all": 10.0}, LATER + 11)
    assert [each.event for each in queue(site.database, dead=True)] == ["event.2", "event.3"]
    outgoing.give_up_and_forget(site.database, {}, LATER + 31 * 86_400)
    assert queue(site.database, dead=True) == []


def test_what_waits_is_given_up_only_after_its_address_allows(site: Site) -> None:
    with transaction(site.database) as db:
        enqueue(db, "event", {}, NOW)
    spread(site)
    assert outgoing.give_up_and_forget(site.database, {"all": 60.0}, LATER + 59) == 0
    assert outgoing.give_up_and_forget(site.database, {"all": 60.0}, LATER + 60) == 1


def test_an_event_sent_again_by_its_id_has_its_days_before_it(site: Site) -> None:
    with transaction(site.database) as db:
        enqueue(db, "one", {}, NOW)
        enqueue(db, "two", {}, NOW)
    spread(site)
    outgoing.give_up_and_forget(site.database, {"all": 60.0}, LATER + 61)
    dead = queue(site.database, dead=True)
    assert outgoing.retry(site.database, [dead[0].id], LATER + 100) == 1
    assert events(site) == ["one"]
    assert outgoing.give_up_and_forget(site.database, {"all": 60.0}, LATER + 159) == 0
    assert outgoing.retry(site.database, ["no such id"], LATER) == 0
