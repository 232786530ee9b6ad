"""The watch in process: what workers hand over, what is told once, what a restart keeps; what of the ladder is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from appliance.access import kept_histories as kept
from appliance.access.anomaly.judge import Judgement, Signal
from appliance.access.keys import list_keys
from appliance.announcing import Announcer, named_in
from appliance.ledger.entry import Entry
from appliance.operations.keys import create_key, pause_key, resume_key
from appliance.state.outgoing import queue
from appliance.state.refused import KINDS, RefusedCalls, fetch
from appliance.state.site import Site
from appliance.state.standing import judge_site
from appliance.tls.authority import Names, self_signed
from appliance.tls.authority_folder import key_pem, pem_of
from appliance.tls.material import Material
from appliance.watching import Watch, reason
from licensing.standing import Rung
from tests.appliance.entries import entry
from tests.appliance.papers import DEMO_MODELS, NOW, entropy
from tests.appliance.sites import licensed_site, no_secrets

HOOK = "webhooks:\n  - name: siem\n    url: http://127.0.0.1:9/ao\n    secret: webhook-secret-0123456789\n"
AT = int(NOW.timestamp() * 1000)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(licensed_site(tmp_path / "state", DEMO_MODELS + HOOK)) as made:
        create_key(made, name="bot", org="bank", team="cards", expires_at=None, now=NOW, entropy=entropy("bot", 32))
        yield made


def key_id(site: Site) -> str:
    return str(site.database.execute("SELECT id FROM api_keys").fetchone()[0])


def told(site: Site) -> list[str]:
    return [str(row["event"]) for row in site.database.execute("SELECT event FROM outgoing ORDER BY seq")]


def test_what_workers_refused_is_handed_over_once_and_counted_until_it_is_fetched(site: Site) -> None:
    worker = RefusedCalls(site.folder, "w1")
    for _ in range(3):
        worker.note("key_1", "10.0.0.0/24", "model_not_found", throttled=False)
    worker.hand_over(NOW)
    worker.note("key_1", "10.0.0.0/24", "model_not_found", throttled=False)
    worker.hand_over(NOW)
    assert [each.count for each in fetch(site.folder)] == [3]
    worker.hand_over(NOW)
    assert [each.count for each in fetch(site.folder)] == [1]
    assert list(fetch(site.folder)) == []


def test_a_worker_counts_within_bounds(site: Site) -> None:
    worker = RefusedCalls(site.folder, "w1")
    for number in range(KINDS + 50):
        worker.note("key_1", f"10.{number}.0.0/24", "model_not_found", throttled=False)
    worker.hand_over(NOW)
    assert len(list(fetch(site.folder))) == KINDS


def test_a_file_that_is_none_is_dropped(site: Site) -> None:
    (site.folder / "refused").mkdir()
    (site.folder / "refused" / "w.refused").write_bytes(b"{")
    assert list(fetch(site.folder)) == []
    assert not list((site.folder / "refused").iterdir())


def test_a_budget_used_up_is_told_once_a_day(site: Site) -> None:
    watch = Watch(site)
    for hours in (0, 1, 30):
        worker = RefusedCalls(site.folder, "w1")
        worker.note(key_id(site), "10.0.0.0/24", "quota_exhausted", throttled=True)
        worker.hand_over(NOW)
        watch.look(NOW + timedelta(hours=hours), hours * 3600.0)
    assert told(site).count("quota.exhausted") == 2


def test_habits_outlive_the_process(site: Site) -> None:
    watch = Watch(site)
    watch.took([used(f"e{number}", key_id(site), AT + number) for number in range(7)])
    watch.look(NOW, 0.0)
    watch.close(NOW)
    history = kept.history_of(site.database, key_id(site))
    assert (history.requests, set(history.networks)) == (7, {"10.0.0.0/24"})
    again = Watch(site)
    again.took([used("later", key_id(site), AT + 100)])
    again.close(NOW)
    assert kept.history_of(site.database, key_id(site)).requests == 8


def test_a_key_that_is_resumed_is_found_good_by_a_watch_that_knows_it_already(site: Site) -> None:
    watch = Watch(site)
    watch.took([used("first", key_id(site), AT)])
    watch.look(NOW, 0.0)
    pause_key(site, "bot", "looks odd", NOW)
    resume_key(site, "bot", NOW)
    watch.took([used("second", key_id(site), AT + 5000)])
    watch.look(NOW, 10.0)
    watch.close(NOW)
    assert kept.history_of(site.database, key_id(site)).accepted == AT + 999


def test_entries_of_keys_that_are_unknown_are_passed_over(site: Site) -> None:
    watch = Watch(site)
    watch.took([used("x", "key_unknown", AT)])
    watch.close(NOW)
    assert site.database.execute("SELECT COUNT(*) FROM key_histories").fetchone()[0] == 0


def test_a_reason_has_room_for_how_to_resume_and_is_printable(site: Site) -> None:
    key = list_keys(site.database)[0]
    signals = tuple(Signal("new_model", 25, "asks for \x1b[31m" + "m" * 120) for _ in range(5))
    words = reason(key, Judgement(120, 1.0, signals), 70)
    assert len(words) <= 200
    assert words.isprintable()
    assert words.endswith(f"ao keys resume {key.id}")
    assert words.startswith("anomaly 120 (limit 70): asks for")


def used(id_: str, key: str, at: int) -> Entry:
    made = entry(id_, ended_at=at + 10)
    return msgspec.structs.replace(made, key=key, started_at=at, source="10.0.0.0/24")


def test_another_rung_the_end_of_the_licence_and_a_due_report_are_told(site: Site) -> None:
    announcer = Announcer(site, no_secrets)
    standing = judge_site(site, site.trust(), NOW)
    soon = replace(standing, rung=Rung.GRACE, days_left=13, report_due=NOW + timedelta(days=2))
    for _ in range(3):
        announcer.stands(soon, soon, NOW)
    announcer.stands(standing, soon, NOW)
    assert sorted(told(site)) == ["licence.expiring", "licence.rung_changed", "usage.overdue"]
    announcer.stands(soon, replace(soon, days_left=7), NOW + timedelta(days=6))
    assert told(site).count("licence.expiring") == 2


def test_the_end_of_the_listeners_certificate_is_told_step_by_step(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    made = self_signed(Names(dns=["gw.internal"]), days=29, now=NOW)
    material = Material(pem_of(made.certificate).decode(), key_pem(made.key).decode())
    announcer = Announcer(site, no_secrets)
    announcer.presents(None, NOW)
    announcer.presents(material, NOW - timedelta(days=2))
    assert told(site) == []
    days = (0, 0, 1, 15, 16, 22, 26, 28, 29, 30)
    for day in days:
        announcer.presents(material, NOW + timedelta(days=day, hours=1))
    # At 30, 14, 7, 3 and 1 days, and once when it has ended.
    assert told(site) == ["certificate.expiring"] * 6
    assert [each.message.split(" on ")[0] for each in caplog.records] == [
        *(["the listener's certificate ends"] * 5),
        "the listener's certificate has ended",
    ]
    announcer.stop()


def test_while_no_config_can_be_believed_what_is_told_of_waits(site: Site) -> None:
    announcer = Announcer(site, no_secrets)
    stored = site.database.execute("SELECT slot, digest FROM in_force WHERE slot = 'config'").fetchone()
    announcer.follow()
    announcer.look(NOW)
    site.database.execute("UPDATE documents SET bytes = x'00' WHERE digest = ?", (stored["digest"],))
    assert named_in(site, no_secrets) is None
    announcer.follow()
    pause_key(site, "bot", "lost", NOW)
    announcer.look(NOW)
    assert queue(site.database, dead=False) == []
    assert site.database.execute("SELECT audit_seq FROM outgoing_mark").fetchone()[0] < _last_act(site)
    announcer.stop()


def _last_act(site: Site) -> int:
    return int(site.database.execute("SELECT MAX(seq) FROM audit").fetchone()[0])
