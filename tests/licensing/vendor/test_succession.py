"""What follows on an epoch, and whether anything of the old one is missing, is said with the numbers to ask for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from licensing.usage import Predecessor
from licensing.vendor.findings import Chain, Finding, Verdict
from tests.licensing.vendor.simulated_site import DAY, SimulatedSite, SiteKey
from tests.licensing.vendor.vendors_desk import VendorsDesk

NEW = 2


def restored(site: SimulatedSite, **named: Any) -> SimulatedSite:
    """The site in its next epoch, about to name what it was restored from."""
    anew = SimulatedSite(epoch=NEW, key=SiteKey("restored"), licence_serial=2, day=site.day + DAY)
    told = {"epoch": 1, "seq": site.seq, "head": site.previous, "registers": dict(site.registers)} | named
    anew.predecessor = Predecessor(**told)
    return anew


def judged(desk: VendorsDesk, site: SimulatedSite, *others: bytes) -> Finding:
    desk.issue(site, f"licence-{site.epoch}", re_enrol=True)
    return desk.take(site.seal(), *others).outcome.findings[0]


def test_a_backup_with_everything_loses_nothing(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(*licensed.days(3))
    found = judged(desk, restored(licensed))
    assert found.verdict is Verdict.NEW_EPOCH
    assert found.evidence.endswith("No file covers 2026-03-04T00:00:00Z to 2026-03-05T00:00:00Z.")
    assert desk.contents()["usage_evidence"] == []


def test_a_restore_within_the_hour_leaves_no_time_out(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(*licensed.days(3))
    anew = restored(licensed)
    anew.day = licensed.day
    assert judged(desk, anew).evidence.endswith("the last accepted there. No time is missing between them.")


def test_files_that_the_restored_state_does_not_know_are_named_and_counted(
    desk: VendorsDesk, licensed: SimulatedSite
) -> None:
    files = licensed.days(3)
    backup = licensed.clone()
    desk.take(*files, *licensed.days(2))
    found = judged(desk, restored(backup))
    assert found.verdict is Verdict.RESTORED
    assert "files 4 to 5 of that epoch with 10 requests had been accepted" in found.evidence
    assert "may be counted twice" in found.evidence, "file 5 ends after the new epoch's first period begins"
    assert found.good
    assert len(desk.contents()["usage_evidence"]) == 1, "accepted, and kept to look at"


def test_files_that_have_not_come_yet_are_named_with_what_they_hold(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    files = licensed.days(4)
    desk.take(files[0])
    found = judged(desk, restored(licensed))
    assert found.verdict is Verdict.NEW_EPOCH
    assert "files 2 to 4 of that epoch have not come; by the closing registers they hold 15 requests" in found.evidence
    assert desk.verdicts(*files[1:]) == ["accepted"] * 3, "they still count when they come"


def test_a_backup_of_another_history_is_evidence(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(*licensed.days(2))
    found = judged(desk, restored(licensed, head="sha256:" + "00" * 32))
    assert found.verdict is Verdict.RESTORED
    assert "sealed twice" in found.evidence


def test_closing_registers_that_the_accepted_file_does_not_have_are_told(
    desk: VendorsDesk, licensed: SimulatedSite
) -> None:
    desk.take(*licensed.days(2))
    found = judged(desk, restored(licensed, registers={}, head=licensed.previous))
    assert found.verdict is Verdict.NEW_EPOCH, "registers may be left out"
    other = restored(licensed, registers={"small": next(iter(licensed.registers.values()))})
    other.epoch, other.licence_serial = 3, 3
    desk.issue(other, "third", re_enrol=True)
    again = desk.take(other.seal()).outcome.findings[0]
    assert again.verdict is Verdict.RESTORED
    assert "closing registers" in again.evidence


def test_a_backup_from_before_the_first_file(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    backup = licensed.clone()
    desk.take(*licensed.days(2))
    found = judged(desk, restored(backup))
    assert found.verdict is Verdict.RESTORED
    assert "no file at all; files 1 to 2 of that epoch with 10 requests" in found.evidence


def test_an_epoch_of_which_nothing_came_is_owed_whole(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    licensed.days(2)
    found = judged(desk, restored(licensed))
    assert (found.verdict, "files 1 to 2 of that epoch never came" in found.evidence) == (Verdict.NEW_EPOCH, True)


def test_state_made_anew_says_what_is_unreported(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(*licensed.days(2))
    anew = SimulatedSite(epoch=NEW, key=SiteKey("anew"), licence_serial=2, day=licensed.day + 3 * DAY)
    desk.issue(anew, "second", re_enrol=True)
    (found,) = desk.take(anew.seal()).outcome.findings
    assert found.verdict is Verdict.NEW_STATE
    assert "until 2026-03-03T00:00:00Z; what was counted between then and 2026-03-06T00:00:00Z" in found.evidence


def test_files_of_the_old_epoch_still_count_after_the_new_one_began(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    files = licensed.days(3)
    judged(desk, restored(licensed))
    assert desk.verdicts(*files) == ["accepted"] * 3


# -- another key in the same epoch -------------------------------------------------------------------------------------


def rekeyed(site: SimulatedSite) -> SimulatedSite:
    anew = site.clone()
    anew.key, anew.licence_serial = SiteKey("second key"), 2
    return anew


def test_a_new_key_goes_on_where_the_old_one_ended(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(*licensed.days(3))
    anew = rekeyed(licensed)
    desk.issue(anew, "second", re_enrol=True)
    done = desk.take(*anew.days(2))
    assert [each.verdict.value for each in done.outcome.findings] == ["accepted", "accepted"]
    assert "under the key enrolled since" in done.outcome.findings[0].evidence
    assert desk.verdicts(anew.seal()) == ["accepted"], "and later, from the memory"


def test_a_new_keys_first_file_vouches_for_what_the_old_key_had_sealed(
    desk: VendorsDesk, licensed: SimulatedSite
) -> None:
    files = licensed.days(3)
    desk.take(files[0])
    anew = rekeyed(licensed)
    stolen = licensed.clone().seal(rows=())
    desk.issue(anew, "second", re_enrol=True)
    fourth = anew.seal()
    assert desk.verdicts(*files[1:]) == ["unknown_key"] * 2, "by itself the old key is believed no more"
    assert desk.verdicts(fourth) == ["gap"]
    assert desk.verdicts(stolen, fourth, *files[1:]) == ["unknown_key", "accepted", "accepted", "accepted"]


@pytest.mark.parametrize("seq", [2, 3])
def test_a_new_key_rewrites_no_history(desk: VendorsDesk, licensed: SimulatedSite, seq: int) -> None:
    early = licensed.clone()
    early.days(seq - 1)
    desk.take(*licensed.days(3))
    anew = rekeyed(early)
    desk.issue(anew, "second", re_enrol=True)
    assert desk.verdicts(anew.seal(rows=())) == ["fork"]


def test_an_empty_chain_takes_only_what_its_epoch_accepted() -> None:
    old = Chain(1, "plant-7", 1, SiteKey("a").public_key, superseded=True, accepted={1: "sha256:x"})
    new = Chain(2, "plant-7", 1, SiteKey("b").public_key)
    joined = new.continuing(old)
    assert (joined.enrolment, joined.key, dict(joined.accepted)) == (2, new.key, {1: "sha256:x"})


def test_a_restore_sees_an_epoch_whole_whatever_its_keys(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(*licensed.days(3))
    backup = licensed.clone()
    anew = rekeyed(licensed)
    desk.issue(anew, "rekeyed", re_enrol=True)
    desk.take(*anew.days(2))
    returned = restored(backup)
    returned.licence_serial = 3
    found = judged(desk, returned)
    assert found.verdict is Verdict.RESTORED
    assert "files 4 to 5 of that epoch with 10 requests" in found.evidence


def test_two_copies_that_run_at_once_are_told(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    files = licensed.days(3)
    backup = licensed.clone()
    desk.take(*files)
    anew = restored(backup)
    judged(desk, anew)
    done = desk.take(*licensed.days(4))
    assert [doubt.code for doubt in done.doubts if doubt.seq is None] == ["two_at_once"]
    assert timedelta(days=3) == licensed.day - (backup.day + DAY)
    assert "3.0 days" in next(doubt.sentence for doubt in done.doubts if doubt.seq is None)
