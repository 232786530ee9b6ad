"""A damaged database is noticed, and made anew without losing or doubling what was used."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from appliance.cli.main import main
from appliance.errors import AlreadyServing, LedgerLost, StateDamaged
from appliance.ledger.seal import sealed_files
from appliance.ledger.store import take_in
from appliance.operations.keys import create_key, list_keys
from appliance.operations.ledger import damage, rebuild_ledger
from appliance.operations.usage import prove_exchange, seal_now
from appliance.state.inspection import Inspection
from appliance.state.serving import ServingLock
from appliance.state.site import DATABASE, Site, open_site
from licensing.usage import Counts, faults_between, open_usage
from tests.appliance.entries import begun, entry, record, write_segment
from tests.appliance.gateways import Gateway
from tests.appliance.papers import DEMO_MODELS, NOW, entropy
from tests.appliance.sites import CONSOLE, make_site, put_config, put_licence

DAYS = 4
A_DAY = 30
FILES = 2 * DAYS - 1
"""Each day is closed early, so that the rest of it has a file of its own."""
LATER = NOW + timedelta(days=DAYS, hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site with some sealed files, open exchanges, a key; everything is in the journal too."""
    site = make_site(tmp_path / "state")
    put_licence(site)
    put_config(site)
    create_key(site, name="k", org="hospital", team="w", expires_at=None, now=NOW, entropy=entropy("k", 32))
    for day in range(DAYS):
        at = NOW + timedelta(days=day, minutes=5)
        record(site, *(call(f"d{day}-{n:02}", at) for n in range(A_DAY)), name=f"w{day}")
        write_segment(site.journal_folder, f"x{day}-000001", [begun(f"cut-{day}", started_at=ms(at))])
        seal_now(site, NOW + timedelta(days=day, hours=1), lead=None)
    record(site, *(call(f"open-{n}", LATER - timedelta(minutes=5)) for n in range(5)), name="open")
    take_in(site.database, site.journal_folder, LATER)
    site.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    site.close()
    return tmp_path / "state"


def ms(at: object) -> int:
    return int(at.timestamp() * 1000)  # type: ignore[attr-defined]


def call(name: str, at: object):  # type: ignore[no-untyped-def]
    return entry(name, ended_at=ms(at))


def pages_of(folder: Path, table: str) -> list[int]:
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        return [row[0] for row in db.execute("SELECT pageno FROM dbstat WHERE name = ?", (table,))]


def smash(folder: Path, pages: list[int]) -> None:
    with (folder / DATABASE).open("r+b") as file:
        file.seek(16)
        size = int.from_bytes(file.read(2), "big")
        for page in pages:
            file.seek((page - 1) * size)
            file.write(b"\xa5" * size)


def totals(site: Site) -> Counts:
    counts, before = Counts(), None
    for each in sealed_files(site.database):
        usage = open_usage(each.data, site.key.public_key).claims
        assert list(faults_between(before, usage)) == []
        before = usage
        for delta in usage.deltas.values():
            counts = counts + delta
    return counts


def test_a_whole_database_is_left_alone(folder: Path) -> None:
    before = (folder / DATABASE).read_bytes()
    assert damage(folder, CONSOLE) is None
    assert rebuild_ledger(folder, LATER, CONSOLE) is None
    assert (folder / DATABASE).read_bytes() == before


@pytest.mark.parametrize("table", ["ledger", "usage_files", "segments", "ledger_sealed", "anomalies"])
@pytest.mark.parametrize("which", ["first", "middle", "last"])
def test_what_is_sealed_stays_sealed_and_what_is_open_is_counted_once(folder: Path, table: str, which: str) -> None:
    pages = pages_of(folder, table)
    smash(folder, [pages[{"first": 0, "middle": len(pages) // 2, "last": -1}[which]]])
    assert damage(folder, CONSOLE) is not None
    done = rebuild_ledger(folder, LATER, CONSOLE)
    assert done is not None
    assert (done.files, done.short) == (FILES, ())
    assert damage(folder, CONSOLE) is None
    assert (done.kept / DATABASE).is_file()
    with closing(open_site(folder)) as site:
        ids = [row["id"] for row in site.database.execute("SELECT id FROM ledger ORDER BY id")]
        assert len(ids) == DAYS * (A_DAY + 1) + 5
        seal_now(site, LATER + timedelta(minutes=1), lead=None)
        assert totals(site).requests == DAYS * (A_DAY + 1) + 5
        assert totals(site).interrupted == DAYS
        # One cut off by a crash is noticed anew: counted once all the same, its hour is no longer the sealed one.
        assert set(done.unproven) <= ({2, 4, 6} if table == "ledger" else set())
        assert prove_exchange(site, "d1-03").seq == 3
        told = open_usage(sealed_files(site.database)[-1].data, site.key.public_key).claims.anomalies
        assert "database_rebuilt" in {each.code for each in told}
        assert [key.name for key in list_keys(site)] == ["k"]


def test_files_come_back_from_their_copies_byte_for_byte(folder: Path) -> None:
    with closing(open_site(folder)) as site:
        before = sealed_files(site.database)
    smash(folder, pages_of(folder, "usage_files"))
    assert rebuild_ledger(folder, LATER, CONSOLE) is not None
    with closing(open_site(folder)) as site:
        assert sealed_files(site.database) == before


def test_a_file_that_is_nowhere_is_never_sealed_anew(folder: Path) -> None:
    """Another file of the same number would be a fork: the vendor holds the first one."""
    smash(folder, pages_of(folder, "usage_files"))
    sorted((folder / "sealed").iterdir())[1].unlink()
    before = (folder / DATABASE).read_bytes()
    with pytest.raises(LedgerLost, match="Usage file 2 "):
        rebuild_ledger(folder, LATER, CONSOLE)
    assert (folder / DATABASE).read_bytes() == before
    assert not list(folder.glob("damaged-*"))


def test_a_forged_copy_is_not_taken_for_a_file(folder: Path) -> None:
    smash(folder, pages_of(folder, "usage_files"))
    copy = sorted((folder / "sealed").iterdir())[1]
    copy.write_bytes(copy.read_bytes().replace(b'"payload":"', b'"payload":"AAAA'))
    with pytest.raises(LedgerLost):
        rebuild_ledger(folder, LATER, CONSOLE)


def test_without_who_it_is_a_site_is_not_rebuilt(folder: Path) -> None:
    smash(folder, pages_of(folder, "site"))
    with pytest.raises(LedgerLost, match="site") as caught:
        rebuild_ledger(folder, LATER, CONSOLE)
    assert "ao restore" in caught.value.remedy
    (folder / DATABASE).write_bytes(b"nothing of a database" * 1000)
    with pytest.raises(LedgerLost):
        rebuild_ledger(folder, LATER, CONSOLE)


def test_entries_whose_journal_has_gone_too_are_named(folder: Path) -> None:
    """Then the sealed files stand, and what they count is not counted again."""
    smash(folder, pages_of(folder, "ledger"))
    for segment in (folder / "journal").glob("w[0-2]*.journal"):
        segment.unlink()
    done = rebuild_ledger(folder, LATER, CONSOLE)
    assert done is not None
    assert {1, 3, 5} <= set(done.short)
    assert "ledger" in done.unreadable
    with closing(open_site(folder)) as site:
        seal_now(site, LATER + timedelta(minutes=1), lead=None)
        assert totals(site).requests == DAYS * (A_DAY + 1) + 5


def test_a_serving_site_is_not_rebuilt_under_its_feet(folder: Path) -> None:
    lock = ServingLock(folder)
    with pytest.raises(AlreadyServing):
        rebuild_ledger(folder, LATER, CONSOLE)
    lock.release()


def test_damage_is_noticed_before_anything_is_served(folder: Path) -> None:
    Inspection(folder / DATABASE).finish()
    smash(folder, pages_of(folder, "ledger")[:1])
    with pytest.raises(StateDamaged, match="damaged") as caught:
        Inspection(folder / DATABASE).finish()
    assert "ao ledger rebuild" in caught.value.remedy


def test_the_commands_say_what_is_wrong_and_what_was_done(folder: Path) -> None:
    assert CliRunner().invoke(main, ["ledger", "check", "--state-dir", str(folder)]).exit_code == 0
    smash(folder, pages_of(folder, "ledger")[-1:])
    checked = CliRunner().invoke(main, ["ledger", "check", "--state-dir", str(folder), "--json"])
    assert (checked.exit_code, json.loads(checked.output)["error"]["code"]) == (43, "state_damaged")
    done = CliRunner().invoke(main, ["ledger", "rebuild", "--state-dir", str(folder)])
    assert done.exit_code == 0, done.output
    assert f"{FILES} sealed files" in done.output
    assert CliRunner().invoke(main, ["ledger", "check", "--state-dir", str(folder)]).exit_code == 0


@pytest.mark.real
def test_a_running_gateway_whose_database_breaks_ends_and_is_whole_after_a_rebuild(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, DEMO_MODELS)
    gateway.start()
    answered = [gateway.post("chat").headers["x-request-id"] for _ in range(3)]
    assert gateway.process is not None
    with closing(open_site(gateway.state)) as site:
        site.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    smash(gateway.state, pages_of(gateway.state, "segments") + pages_of(gateway.state, "ledger"))
    # It may have ended already: it looks at its database four times a second.
    with suppress(httpx.TransportError):
        answered.append(gateway.post("chat").headers["x-request-id"])
    assert gateway.process.wait(timeout=30) == 43
    assert json.loads(gateway.process.communicate()[0].splitlines()[-1])["error"]["code"] == "state_damaged"
    assert gateway.ao("serve").returncode == 43, "it is not served from a damaged database"
    done = gateway.ao("ledger", "rebuild")
    assert done.returncode == 0, done.stderr
    gateway.start()
    assert gateway.post("chat").status_code == 200
    assert gateway.stop() == 0
    with closing(open_site(gateway.state)) as site:
        rows = {row["id"]: row["outcome"] for row in site.database.execute("SELECT id, outcome FROM ledger")}
    assert {rows.get(name) for name in answered} == {"complete"}
    assert len(answered) + 1 <= len(rows) <= 5
