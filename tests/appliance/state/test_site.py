"""The state folder: what is believed of it, what is refused, and what the person who meets the refusal can do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import AlreadyInitialised, ApplianceError, NotInitialised, StateDamaged
from appliance.operations.licence import import_licence
from appliance.state.site import Site, open_site
from appliance.state.standing import judge_site
from licensing.clock import TimeFloor
from licensing.errors import Refusal, SerialConflict, SerialRefused, SignatureRefused
from licensing.ratchet import Arrival
from licensing.standing import Rung
from tests.appliance.entries import entry, record
from tests.appliance.papers import NOW, SITE, licence_bytes, trust_bytes
from tests.appliance.sites import licensed_site, make_site, on_stick, put_licence
from tests.licensing.documents import keys, signed, trust_members


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path / "state")
    yield made
    made.close()


def licence(site: Site, serial: int, **changes: Any) -> Path:
    data = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, serial=serial, **changes)
    return on_stick(site, f"licence-{serial}.json", data)


def test_a_site_is_opened_as_it_was_made(site: Site) -> None:
    again = open_site(site.folder)
    assert (again.id, again.epoch, again.created_at) == (SITE, 20261124120000, NOW)
    assert again.key.public_key == site.key.public_key
    assert again.trust() == site.trust()
    again.close()


def test_a_second_site_is_never_made_over_the_first(site: Site) -> None:
    before = {file.name: file.read_bytes() for file in site.folder.iterdir() if file.name == "site.key"}
    with pytest.raises(AlreadyInitialised):
        make_site(site.folder, name="other")
    assert {file.name: file.read_bytes() for file in site.folder.iterdir() if file.name == "site.key"} == before


def test_a_trust_document_that_is_not_whole_makes_no_site(tmp_path: Path) -> None:
    from appliance.state.site import ENTROPY_BYTES, create_site

    for trust in (b"{}", trust_bytes("root-1"), trust_bytes(serial=2), trust_bytes() + b" x"):
        with pytest.raises(Refusal):
            create_site(
                tmp_path / "state", site=SITE, name="x", trust=trust, now=NOW, build_time=NOW,
                entropy=bytes(ENTROPY_BYTES),
            )  # fmt: skip
        assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_nobody_else_can_read_the_state_even_in_a_folder_that_was_there(tmp_path: Path, mode: int) -> None:
    """As with a folder that a service manager made: provider keys are in the config, which is in the database."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    site = licensed_site(folder)
    closed = not folder.stat().st_mode & 0o077
    open_to_others = [file.name for file in folder.iterdir() if file.is_file() and file.stat().st_mode & 0o077]
    secret = {"ao.db", "ao.db-wal", "site.key"} & set(open_to_others)
    assert closed or not secret
    site.close()


def test_a_licence_is_read_back_and_verified_each_time(site: Site) -> None:
    put_licence(site)
    assert judge_site(site, site.trust(), NOW).rung is Rung.VALID
    site.database.execute("UPDATE documents SET bytes = CAST(replace(bytes, 'a', 'b') AS BLOB) WHERE role = 'licence'")
    assert judge_site(site, site.trust(), NOW).rung is Rung.UNREADABLE


def test_a_trust_document_changed_in_the_database_is_noticed(site: Site) -> None:
    """Another vendor's trust is whole in itself; that it was pinned is what this site must know better."""
    role_keys = {role: (f"evil-{role}",) for role in ("root", "licence", "config", "receipt", "time", "release")}
    members = trust_members(role_keys=role_keys, thresholds=dict.fromkeys(role_keys, 1))
    site.database.execute(
        "UPDATE documents SET bytes = ? WHERE role = 'root'", (signed("trust", members, *keys("evil-root")),)
    )
    with pytest.raises(StateDamaged):
        site.trust()


def test_serials_only_rise(site: Site) -> None:
    first, second = licence(site, 3), licence(site, 4)
    assert import_licence(site, first, NOW).arrival is Arrival.NEW
    assert import_licence(site, first, NOW).arrival is Arrival.SAME
    assert import_licence(site, second, NOW).arrival is Arrival.NEW
    with pytest.raises(SerialRefused):
        import_licence(site, first, NOW)
    other = on_stick(
        site, "x.json", licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, serial=4, edition="pro")
    )
    with pytest.raises(SerialConflict):
        import_licence(site, other, NOW)
    held = site.licence(site.trust())
    assert held is not None
    assert held.claims.serial == 4  # type: ignore[union-attr]


def test_what_is_refused_changes_nothing(site: Site) -> None:
    before = (site.board.generation, site.time_floor(), site.floor_of("licence"))
    wrong = licence_bytes(key="0" * 64, epoch=site.epoch, signer="receipt-1")
    with pytest.raises(SignatureRefused):
        import_licence(site, on_stick(site, "wrong.json", wrong), NOW)
    assert (site.board.generation, site.time_floor(), site.floor_of("licence")) == before


def test_a_document_raises_the_time_floor_and_nothing_lowers_it(site: Site) -> None:
    put_licence(site)
    floor = site.time_floor()
    assert floor.at == NOW - timedelta(days=1)
    assert "licence" in floor.source
    site.raise_time_floor(lambda _: TimeFloor(NOW - timedelta(days=300), "somebody"))
    assert site.time_floor() == floor
    site.raise_time_floor(lambda _: TimeFloor(NOW, "somebody"))
    assert site.time_floor().at == NOW


def test_every_change_raises_the_board_for_every_process(site: Site) -> None:
    other = open_site(site.folder)
    before = other.board.generation
    put_licence(site)
    assert other.board.generation > before
    other.board.raise_generation()
    assert site.board.generation == other.board.generation
    other.close()


# -- a folder that is not what it was ----------------------------------------------------------------------------------


def test_nothing_there_is_not_initialised(tmp_path: Path) -> None:
    with pytest.raises(NotInitialised, match="no site"):
        open_site(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused_with_the_cure(site: Site, mode: int) -> None:
    file = site.folder / "site.key"
    file.chmod(mode)
    with pytest.raises(StateDamaged) as refused:
        open_site(site.folder)
    assert refused.value.remedy == f"chmod 600 {file}"


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"signing_seed":"AA==","sealing_seed":"","hash_key":""}']
)
def test_a_key_file_that_is_damaged_is_refused(site: Site, data: bytes) -> None:
    (site.folder / "site.key").write_bytes(data)
    with pytest.raises(StateDamaged):
        open_site(site.folder)


def test_a_missing_key_is_refused(site: Site) -> None:
    (site.folder / "site.key").unlink()
    with pytest.raises(StateDamaged, match="cannot be read"):
        open_site(site.folder)


def damaged_copy(site: Site, folder: Path) -> Path:
    site.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(site.folder, folder)
    for name in ("ao.db-wal", "ao.db-shm"):
        (folder / name).unlink(missing_ok=True)
    return folder / "ao.db"


def use(folder: Path) -> None:
    found = open_site(folder)
    try:
        found.trust()
        found.time_floor()
    finally:
        found.close()


@pytest.mark.parametrize("start", [0, 16, 100, 4096, 8192, 12_288])
def test_a_damaged_database_is_a_refusal_and_never_a_fault(site: Site, tmp_path: Path, start: int) -> None:
    put_licence(site)
    file = damaged_copy(site, tmp_path / "copy")
    data = bytearray(file.read_bytes())
    data[start : start + 3000] = b"\xa5" * len(data[start : start + 3000])
    file.write_bytes(data)
    try:
        use(tmp_path / "copy")
    except ApplianceError:
        return


def test_a_database_of_another_program_is_damaged(site: Site, tmp_path: Path) -> None:
    file = damaged_copy(site, tmp_path / "copy")
    file.write_bytes(b"This is not a database. " * 500)
    with pytest.raises(StateDamaged):
        use(tmp_path / "copy")


def test_a_database_that_was_emptied_is_not_taken_for_a_site_that_never_was(site: Site, tmp_path: Path) -> None:
    """A journal with unsealed usage lies beside it: nobody may be told that nothing was recorded here."""
    record(site, entry("a"), name="w")
    damaged_copy(site, tmp_path / "copy").write_bytes(b"")
    with pytest.raises(StateDamaged) as refused:
        use(tmp_path / "copy")
    assert "remove the folder" not in refused.value.remedy


def test_a_database_of_a_newer_release_is_refused(site: Site, tmp_path: Path) -> None:
    file = damaged_copy(site, tmp_path / "copy")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(ApplianceError):
        use(tmp_path / "copy")


def test_migrations_run_once(site: Site) -> None:
    before = site.database.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    rows = site.database.execute("SELECT * FROM site").fetchall()
    for _ in range(3):
        open_site(site.folder).close()
    assert site.database.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
    assert site.database.execute("SELECT * FROM site").fetchall() == rows


def test_a_database_without_a_site_says_that_its_making_was_interrupted(site: Site, tmp_path: Path) -> None:
    damaged_copy(site, tmp_path / "copy").unlink()
    from appliance.state.database import open_database

    open_database(tmp_path / "copy" / "ao.db").close()
    with pytest.raises(NotInitialised, match="cut off"):
        open_site(tmp_path / "copy")


def test_no_secret_of_the_site_is_in_a_repr(site: Site) -> None:
    assert site.key.hash_key.hex() not in repr(site)
    assert repr(site.key.hash_key) not in repr(site)
    assert repr(site.key.hash_key) not in repr(site.key)
