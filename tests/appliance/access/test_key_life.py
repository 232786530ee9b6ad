"""A key is paused, resumed, rotated with an overlap, moved and narrowed; each is an entry in the trail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from appliance.access.keys import ApiKey, NewKey, models_in, networks_in
from appliance.errors import KeyRefused
from appliance.observe import audit
from appliance.operations.keys import change_key, create_key, find_key, pause_key, resume_key, revoke_key, rotate_key
from appliance.state.site import Site
from tests.appliance.papers import NOW, entropy
from tests.appliance.sites import make_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path / "state")
    yield made
    made.close()


def make(site: Site, name: str = "bot", **more: object) -> NewKey:
    given: dict[str, object] = {"org": "o", "team": "t", "expires_at": None, "now": NOW, **more}
    return create_key(site, name=name, entropy=entropy(name, 32), **given)  # type: ignore[arg-type]  # as given


def acts(site: Site) -> list[str]:
    return [str(row["act"]) for row in site.database.execute("SELECT act FROM audit ORDER BY seq")]


def test_a_paused_key_works_again_when_it_is_resumed(site: Site) -> None:
    key = make(site).key
    before = site.board.generation
    paused, changed = pause_key(site, "bot", "seen in a repository", NOW)
    assert (changed, paused.state(NOW), paused.paused_because) == (True, "paused", "seen in a repository")
    assert site.board.generation > before, "workers look again"
    assert pause_key(site, "bot", "twice", NOW)[1] is False
    assert find_key(site, key.id).paused_because == "seen in a repository"
    resumed, changed = resume_key(site, "bot", NOW)
    assert (changed, resumed) == (True, key)
    assert resume_key(site, "bot", NOW)[1] is False
    assert acts(site)[-2:] == ["key.pause", "key.resume"]
    assert site.verify_audit().first_bad is None


def test_a_key_that_has_ended_is_neither_paused_nor_rotated_nor_changed(site: Site) -> None:
    make(site)
    revoke_key(site, "bot", NOW)
    for act in (
        lambda: pause_key(site, "bot", "why", NOW),
        lambda: resume_key(site, "bot", NOW),
        lambda: rotate_key(site, "bot", NOW, NOW, entropy("new", 32)),
        lambda: change_key(site, "bot", NOW, team="x"),
    ):
        with pytest.raises(KeyRefused):
            act()
    assert acts(site)[-1] == "key.revoke"


def test_both_keys_work_while_they_overlap(site: Site) -> None:
    old = make(site, models=["acme-*"], networks=["10.0.0.0/8"]).key
    until = NOW + timedelta(hours=24)
    made = rotate_key(site, "bot", until, NOW, entropy("new", 32))
    old = find_key(site, old.id)
    assert old.usable(until - timedelta(seconds=1))
    assert not old.usable(until)
    assert (old.successor, made.key.usable(until)) == (made.key.id, True)
    assert (made.key.models, made.key.networks, made.key.expires_at) == (old.models, old.networks, None)
    with pytest.raises(KeyRefused) as refused:
        rotate_key(site, old.id, until, NOW, entropy("third", 32))
    assert made.key.id in refused.value.message


def test_rotating_never_lengthens_a_life(site: Site) -> None:
    end = NOW + timedelta(hours=1)
    old = make(site, expires_at=end).key
    made = rotate_key(site, "bot", NOW + timedelta(days=9), NOW, entropy("new", 32))
    assert find_key(site, old.id).expires_at == end
    assert made.key.expires_at == end


def test_a_key_is_moved_and_narrowed_and_the_trail_says_what_was_before(site: Site) -> None:
    make(site)
    changed, changes = change_key(site, "bot", NOW, team="payments", models=("chat",))
    assert (changed.team, changed.models, changed.org) == ("payments", ("chat",), "o")
    assert changes == ["team: t → payments", "models: any → chat"]
    last = list(audit.entries(site.database))[-1]
    assert last.act == "key.change"
    assert "team: t → payments" in last.subject
    again, changes = change_key(site, "bot", NOW, team="payments")
    assert (again, changes) == (changed, [])
    assert acts(site)[-1] == "key.change"
    assert acts(site).count("key.change") == 1


@pytest.mark.parametrize("name", ["hash", "revoked_at", "id", "team = 'x' --"])
def test_nothing_but_what_may_change_reaches_the_table(site: Site, name: str) -> None:
    made = make(site).key
    with pytest.raises(ValueError, match="could be changed"):
        change_key(site, "bot", NOW, **{name: "x"})
    assert find_key(site, made.id) == made


def test_patterns_and_networks_say_for_what_and_from_where() -> None:
    key = ApiKey(
        "k", "p", "n", "o", "t", NOW, None, None, models=models_in(["acme-*"]), networks=networks_in(["10.0.0.0/8"])
    )
    assert key.may_use("acme-1")
    assert not key.may_use("other")
    assert key.may_come_from(ip_address("10.2.3.4"))
    assert key.may_come_from(ip_address("::ffff:10.2.3.4")), "an IPv4 caller on a socket for both"
    assert not key.may_come_from(ip_address("11.2.3.4"))
    assert not key.may_come_from(None)
