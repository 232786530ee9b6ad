"""Attacks on the state folder and on the clock, by somebody who may write to both: what each must come to.

A site's own root cannot be kept out by the site. What holds is this: nothing that the vendor (or the customer's
officers) did not sign is ever believed, whatever is written to the database. What root *can* do with genuine papers,
going back to an older one above all, is said where it is tested, under `root wins`; there the vendor sees it, in the
chain of usage files or by the licence serial that they name.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.operations.licence import import_licence, standing
from appliance.operations.time import import_time_token
from appliance.operations.usage import export_usage, import_receipt, seal_now
from appliance.state.site import CHALLENGE_BYTES, ENTROPY_BYTES, Site, open_site
from appliance.state.site_key import create_site_key
from licensing.clock import BOOT_ALLOWANCE, Look, Step, TimeFloor, observe, observe_boot, step_between
from licensing.envelope import parse, sign, to_json
from licensing.errors import Refusal
from licensing.standing import Rung
from licensing.usage import open_usage
from tests.appliance.operations.test_life_papers import follow, refusal_of, roles, token_bytes
from tests.appliance.papers import NOW, config_bytes, entropy, licence_bytes, receipt_bytes
from tests.appliance.sites import licensed_site, make_site, on_stick, put_licence
from tests.licensing.documents import ROLE_KEYS, keys, signed, trust_members

FAKETIME = shutil.which("faketime")
AO = "from appliance.cli.main import main; main()"
DECADES = timedelta(days=73 * 365)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state")
    yield made
    made.close()


def edit(site: Site, statement: str, *values: object) -> None:
    """As with a database tool, which asks nobody."""
    site.database.execute("PRAGMA foreign_keys=OFF")
    site.database.execute(statement, values)
    site.board.raise_generation()


def put_bytes(site: Site, role: str, data: bytes) -> None:
    edit(site, "UPDATE documents SET bytes = ? WHERE role = ?", data, role)


def own_licence(site: Site, **changes: Any) -> bytes:
    return licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, **{"serial": 1, **changes})


# -- bytes in the database ---------------------------------------------------------------------------------------------


def test_a_licence_written_by_the_thief_is_unreadable(site: Site) -> None:
    put_bytes(site, "licence", own_licence(site, signer="thief", expires_at="2099-01-01T00:00:00Z"))
    assert refusal_of(site) == "licence_unreadable"


def test_a_licence_signed_with_the_sites_own_key_is_unreadable(site: Site) -> None:
    genuine = parse(own_licence(site))
    put_bytes(site, "licence", to_json(sign(genuine.payload_type, genuine.body, [site.key])))
    assert refusal_of(site) == "licence_unreadable"


@pytest.mark.parametrize("position", [40, -40])
def test_one_byte_of_the_licence_changed_makes_it_unreadable(site: Site, position: int) -> None:
    data = bytearray(site.document("licence") or b"")
    data[position] ^= 1
    put_bytes(site, "licence", bytes(data))
    assert refusal_of(site) == "licence_unreadable"


def test_a_config_by_one_officer_is_no_config(site: Site) -> None:
    put_bytes(site, "config", config_bytes(signers=("officer-1",)))
    assert refusal_of(site) == "config_unusable"


def test_pointing_a_slot_at_a_document_of_another_role_serves_nothing(site: Site) -> None:
    edit(site, "UPDATE in_force SET role = 'config' WHERE slot = 'licence'")
    assert refusal_of(site) == "licence_unreadable"


def test_deleting_the_licence_leaves_none(site: Site) -> None:
    edit(site, "DELETE FROM in_force WHERE slot = 'licence'")
    assert refusal_of(site) == "licence_missing"


def test_a_licence_of_the_neighbour_is_for_another_site(site: Site) -> None:
    put_bytes(site, "licence", licence_bytes(key="0" * 64, epoch=site.epoch))
    assert refusal_of(site) == "licence_wrong_site"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE site SET epoch = epoch + 1", "licence_wrong_epoch"),
        ("UPDATE site SET id = 'another-site'", "licence_wrong_site"),
        ("UPDATE site SET epoch = 1", "licence_wrong_epoch"),
    ],
)
def test_another_identity_has_no_licence(site: Site, statement: str, code: str) -> None:
    edit(site, statement)
    again = open_site(site.folder)
    assert refusal_of(again) == code
    again.close()


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-24", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"])
def test_a_floor_that_is_no_time_is_a_refusal_and_never_a_fault(site: Site, text: str) -> None:
    edit(site, "UPDATE time_floor SET at = ?", text)
    with pytest.raises(Refusal):
        standing(site, NOW)


def test_a_floor_that_was_deleted_is_a_refusal_and_never_a_fault(site: Site) -> None:
    edit(site, "DELETE FROM time_floor")
    with pytest.raises(Refusal):
        standing(site, NOW)


# -- trust -------------------------------------------------------------------------------------------------------------


def test_the_trust_of_another_vendor_is_not_the_one_that_was_pinned(site: Site) -> None:
    """Whole in itself, with the same names and epochs; every paper would follow from it."""
    theirs = {role: (f"evil-{role}",) for role in ROLE_KEYS}
    members = trust_members(role_keys=theirs, thresholds=dict.fromkeys(theirs, 1))
    edit(site, "UPDATE documents SET bytes = ? WHERE role = 'root'", signed("trust", members, *keys("evil-root")))
    put_bytes(site, "licence", own_licence(site, signer="evil-licence"))
    with pytest.raises(Refusal) as caught:
        standing(site, NOW)
    assert caught.value.code == "state_damaged"


@pytest.mark.parametrize("signers", [("root-1",), ("thief", "thief-2"), ("licence-1", "licence-2")])
def test_a_later_trust_written_by_hand_breaks_the_chain(site: Site, signers: tuple[str, ...]) -> None:
    members = trust_members(serial=2, role_keys=roles(licence=("thief",)), epochs={"licence": 2})
    edit(
        site,
        "INSERT INTO documents VALUES ('root', 1, 2, 'sha256:0', ?, '2026-01-01T00:00:00Z')",
        signed("trust", members, *keys(*signers)),
    )
    with pytest.raises(Refusal) as caught:
        standing(site, NOW)
    assert caught.value.code == "state_damaged"


def test_a_link_taken_out_breaks_the_chain(site: Site) -> None:
    follow(site, 2)
    follow(site, 3)
    edit(site, "DELETE FROM documents WHERE role = 'root' AND serial = 2")
    with pytest.raises(Refusal) as caught:
        standing(site, NOW)
    assert caught.value.code == "state_damaged"


# -- the site's key, its challenge, its receipts -----------------------------------------------------------------------


def test_a_site_key_made_anew_has_no_licence(site: Site) -> None:
    (site.folder / "site.key").unlink()
    create_site_key(site.folder / "site.key", entropy("another", ENTROPY_BYTES - CHALLENGE_BYTES))
    again = open_site(site.folder)
    assert refusal_of(again) == "licence_wrong_site"
    assert "bound to site key" in standing(again, NOW).sentence
    with pytest.raises(Refusal):
        open_usage(seal_now(again, NOW + timedelta(hours=1))[0].data, site.key.public_key)
    again.close()


def test_the_key_of_another_site_does_not_make_its_licence_ones_own(site: Site, tmp_path: Path) -> None:
    """The neighbour's key and licence were copied; the id is still this site's."""
    neighbour = make_site(tmp_path / "neighbour", name="neighbour")
    shutil.copy(neighbour.folder / "site.key", site.folder / "site.key")
    data = licence_bytes(
        key=neighbour.key.public_key.keyid,
        epoch=neighbour.epoch,
        binding={"site": "neighbour", "key": neighbour.key.public_key.keyid, "epoch": neighbour.epoch},
    )
    put_bytes(site, "licence", data)
    again = open_site(site.folder)
    assert refusal_of(again) == "licence_wrong_site"
    again.close()
    neighbour.close()


def test_receipts_written_by_hand_fool_this_site_and_not_the_vendor(site: Site, tmp_path: Path) -> None:
    """Root wins here: `usage_overdue` is put off. The sealed files still name the last genuine receipt."""
    put_licence(site, serial=2, usage={"report_every_days": 1, "when_overdue": "block"})
    late = NOW + timedelta(days=9)
    assert refusal_of(site, late) == "usage_overdue"
    seal_now(site, NOW + timedelta(hours=1))
    columns = [row["name"] for row in site.database.execute("PRAGMA table_info(receipts)")]
    forged = {
        "key_epoch": 1,
        "serial": 99,
        "seq": 1,
        "digest": "sha256:" + "0" * 64,
        "accepted_until": "2099-01-01T00:00:00Z",
        "imported_at": "2026-11-24T12:00:00Z",
    }
    marks = ", ".join("?" * len(columns))
    edit(site, f"INSERT INTO receipts VALUES ({marks})", *(forged[name] for name in columns))
    assert refusal_of(site, late) in {None, "usage_overdue"}
    (tmp_path / "out").mkdir()
    seal_now(site, NOW + timedelta(hours=2))
    written = export_usage(site, tmp_path / "out", everything=True)[-1]
    assert open_usage(written.path.read_bytes(), site.key.public_key).claims.last_receipt is None


def test_a_challenge_brought_back_by_hand_does_not_bring_its_token_back(site: Site) -> None:
    """The serial of the token is a second lock: what was used is no news, and lowers nothing."""
    challenge = site.challenge
    token = on_stick(site, "t.json", token_bytes(site, at=NOW))
    import_time_token(site, token, now=NOW, entropy=entropy("fresh", CHALLENGE_BYTES))
    site.raise_time_floor(lambda _: TimeFloor(NOW + timedelta(days=100), "this host's clock"))
    edit(site, "UPDATE site SET challenge = ?", challenge)
    with contextlib.suppress(Refusal):
        import_time_token(site, token, now=NOW, entropy=entropy("again", CHALLENGE_BYTES))
    assert site.time_floor().at == NOW + timedelta(days=100)


# -- going back to genuine papers --------------------------------------------------------------------------------------


def test_root_wins_an_older_state_file_brings_the_older_licence_back_until_the_next_one(
    site: Site, tmp_path: Path
) -> None:
    """Nothing on the host can tell. The vendor sees two files of one seq, and which licence serial they name."""
    first = seal_now(site, NOW + timedelta(hours=1))[-1]
    shutil.copytree(site.folder, tmp_path / "older")
    put_licence(site, serial=2, caps={"rpm": 1})
    receipt = receipt_bytes(
        epoch=site.epoch, seq=first.seq, head=first.digest, accepted_until="2026-11-24T13:00:00Z", serial=1
    )
    import_receipt(site, on_stick(site, "r.json", receipt), NOW + timedelta(hours=2))
    after = seal_now(site, NOW + timedelta(hours=3))[-1]
    restored = open_site(tmp_path / "older")
    held = standing(restored, NOW).licence
    assert held is not None
    assert held.serial == 1
    fork = seal_now(restored, NOW + timedelta(hours=3))[-1]
    assert (fork.seq, fork.digest != after.digest) == (after.seq, True)
    named = [open_usage(each.data, site.key.public_key).claims for each in (after, fork)]
    assert named[0].previous == named[1].previous == first.digest
    assert [each.licence_serial for each in named] == [2, 1]
    put_licence(restored, serial=3)
    with pytest.raises(Refusal):
        put_licence(restored, serial=1)
    restored.close()


def test_root_wins_a_slot_pointed_back_at_an_older_licence_brings_it_back(site: Site) -> None:
    """It is genuine, and of the same keys. The floor in the same table still refuses to import it, and each usage file
    names the licence serial under which calls were admitted."""
    old = site.document("licence")
    put_licence(site, serial=2, caps={"rpm": 1})
    edit(site, "UPDATE in_force SET serial = 1 WHERE slot = 'licence'")
    held = standing(site, NOW).licence
    if held is not None:
        assert held.serial in {1, 2}
        assert open_usage(seal_now(site, NOW + timedelta(hours=1))[-1].data, site.key.public_key).claims.licence_serial
    with pytest.raises(Refusal) as caught:
        import_licence(site, on_stick(site, "old.json", old or b""), NOW)
    assert caught.value.code == "serial_refused"


def test_root_wins_the_last_step_of_the_trust_taken_out_revives_a_retired_key(site: Site) -> None:
    """The chain is whole, only shorter. Bringing the step again ends it; a thief's papers stay out meanwhile."""
    step: dict[str, Any] = {"role_keys": roles(licence=("licence-7",)), "epochs": {"licence": 2}}
    follow(site, 2, **step)
    assert refusal_of(site) == "licence_unreadable"
    edit(site, "DELETE FROM documents WHERE role = 'root' AND serial = 2")
    with pytest.raises(Refusal):
        put_licence(site, signer="thief", serial=9)
    follow(site, 2, **step)
    assert refusal_of(site) == "licence_unreadable"


def test_root_wins_a_floor_lowered_by_hand_lets_an_old_clock_pass(site: Site) -> None:
    """And no further: the dates of the licence itself still hold, at both ends."""
    edit(site, "UPDATE time_floor SET at = '2026-01-01T00:00:00Z'")
    assert refusal_of(site, NOW - timedelta(days=30)) in {"clock_untrusted", "licence_not_yet_valid"}
    assert refusal_of(site, NOW + timedelta(days=400)) == "licence_expired"


# -- clocks ------------------------------------------------------------------------------------------------------------


def run(floor: TimeFloor, looks: Sequence[Look]) -> tuple[TimeFloor, list[Step]]:
    """What a gateway keeps of this sequence of looks at its clocks."""
    steps = []
    for before, now in itertools.pairwise(looks):
        step = step_between(before, now)
        steps += [step] if step else []
        floor = observe(floor, before, now)
    return floor, steps


FLOOR = TimeFloor(NOW, "a test")


def looks(*walls: timedelta, every: float = 60.0) -> list[Look]:
    """A look a minute; each wall clock as it stands from the true time."""
    return [Look(NOW + timedelta(seconds=n * every) + wall, n * every) for n, wall in enumerate(walls)]


HONEST = timedelta(0)


def test_an_honest_clock_raises_the_floor_with_it() -> None:
    floor, steps = run(FLOOR, looks(*[HONEST] * 61))
    assert (floor.at, steps) == (NOW + timedelta(hours=1), [])


def test_a_clock_turned_back_to_stretch_a_licence_stands_still_and_is_recorded() -> None:
    back = timedelta(days=-30)
    floor, steps = run(FLOOR, looks(HONEST, HONEST, *[back] * 100))
    assert floor.at == NOW + timedelta(minutes=1)
    assert [step.seconds for step in steps] == [-30 * 86_400]


def test_a_clock_slowed_by_many_small_steps_is_recorded_or_gains_nothing_worth_it() -> None:
    """29 seconds a minute stays below what is recorded; the floor then follows the slow clock, and never falls."""
    slow = [timedelta(seconds=-29 * n) for n in range(61)]
    floor, steps = run(FLOOR, looks(*slow))
    assert steps == []
    assert floor.at == NOW + timedelta(minutes=60) - timedelta(seconds=29 * 60)


def test_a_clock_far_ahead_for_an_hour_poisons_nothing() -> None:
    floor, steps = run(FLOOR, looks(HONEST, *[DECADES] * 60, HONEST))
    assert floor.at <= NOW + timedelta(minutes=61)
    assert [step.seconds for step in steps] == [DECADES.total_seconds(), -DECADES.total_seconds()]


def test_a_clock_swung_to_and_fro_raises_the_floor_no_faster_than_time() -> None:
    swing = [DECADES if n % 2 else -DECADES for n in range(200)]
    floor, steps = run(FLOOR, looks(*swing))
    assert FLOOR.at <= floor.at <= NOW + timedelta(minutes=200)
    assert len(steps) == 199


def test_a_hundred_boots_under_a_wild_clock_cost_a_hundred_allowances() -> None:
    """Root wins here a little: a boot every minute makes time run four times too fast, against the host's owner."""
    floor = FLOOR
    for _ in range(100):
        floor = observe_boot(floor, NOW + DECADES)
    assert floor.at == NOW + 100 * BOOT_ALLOWANCE


def test_a_clock_turned_back_within_the_tolerance_does_not_stretch_a_licence(site: Site) -> None:
    """What is judged is the later of clock and floor."""
    end = NOW + timedelta(days=365 + 14, seconds=300)
    site.raise_time_floor(lambda _: TimeFloor(end, "this host's clock"))
    assert standing(site, end - timedelta(seconds=200)).rung is Rung.EXPIRED


def test_steps_while_running_are_told_in_the_next_file(site: Site) -> None:
    site.record_step(Step(NOW + timedelta(minutes=5), -86_400))
    sealed = seal_now(site, NOW + timedelta(hours=1))[-1]
    told = open_usage(sealed.data, site.key.public_key).claims.clock.steps
    assert [(step.at, step.seconds) for step in told] == [(NOW + timedelta(minutes=5), -86_400)]


@pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed")
@pytest.mark.parametrize(
    ("clock", "rung", "code"),
    [("2026-11-01 12:00:00", "clock_untrusted", 27), ("2099-01-01 12:00:00", "expired", 23)],
)
def test_a_wrong_clock_of_the_host_is_told_by_its_status(tmp_path: Path, clock: str, rung: str, code: int) -> None:
    """The command itself, with the host's clock set back and ahead."""
    site = licensed_site(tmp_path / "state", now=datetime(2026, 11, 23, 12, tzinfo=UTC))
    site.close()
    said = subprocess.run(
        [FAKETIME or "", clock, sys.executable, "-c", AO, "status"],
        env={**os.environ, "AO_STATE_DIR": str(tmp_path / "state"), "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == code, said
    assert f"licence   {rung}:" in said.stdout
