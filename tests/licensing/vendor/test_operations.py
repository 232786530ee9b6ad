"""What the desk remembers and what it writes agree, wherever it is cut short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from licensing.licence import open_licence
from licensing.receipt import Receipt, open_receipt
from licensing.vendor import operations, operations_usage
from licensing.vendor.errors import KeyMissing, PassphraseWrong
from licensing.vendor.findings import Verdict
from media.errors import AlreadyThere, MediumFull, NotFound
from media.passphrase import Passphrase
from media.writer import Written, write_document
from tests.licensing.vendor.simulated_site import SimulatedSite, SiteKey
from tests.licensing.vendor.vendors_desk import NOW, TERMS, VendorsDesk

CONFIG = b"models: []\n"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A medium that is full until the function is called."""

    def refuse(path: Path, data: bytes, *, replace: bool = False, mode: int = 0o644) -> Written:
        raise MediumFull("No room is left.")

    for module in (operations, operations_usage):
        monkeypatch.setattr(module, "write_document", refuse)

    def make_room() -> None:
        for module in (operations, operations_usage):
            monkeypatch.setattr(module, "write_document", write_document)

    return make_room


def receipt(desk: VendorsDesk, path: Path, epoch: int = 1) -> Receipt:
    return open_receipt(path.read_bytes(), desk.trust, site="plant-7", epoch=epoch).claims


# -- usage in, receipt out ---------------------------------------------------------------------------------------------


def test_a_receipt_names_the_head_and_opens_at_the_site(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    licensed.licence = "lic-0001"
    done = desk.take(*licensed.days(3))
    ((kept, path),) = done.receipts
    claims = receipt(desk, path)
    assert path.name == "receipt-plant-7-3.signed.json"
    assert (kept.site, kept.seq) == ("plant-7", 3)
    assert (claims.seq, claims.head, claims.licence) == (3, licensed.previous, "lic-0001")
    assert (claims.accepted_until, claims.issued_at, claims.serial) == (licensed.day, NOW, 1)


def test_receipt_serials_rise_with_each_thing_accepted(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    serials = [receipt(desk, desk.take(licensed.seal()).receipts[0][1]).serial for _ in range(3)]
    assert serials == [1, 2, 3]


def test_what_was_accepted_is_kept_byte_for_byte(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    files = licensed.days(2)
    desk.take(*files)
    rows = desk.contents()["usage_accepted"]
    assert [row[5] for row in rows] == files
    assert rows[1][2:5] == (licensed.previous, "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")


def test_a_replay_leaves_the_memory_alone_and_gives_the_same_receipt(
    desk: VendorsDesk, licensed: SimulatedSite
) -> None:
    files = licensed.days(2)
    path = desk.take(*files).receipts[0][1]
    before, data = desk.contents(), path.read_bytes()
    path.unlink()
    desk.now += timedelta(days=1)
    again = desk.take(*files)
    assert [finding.verdict for finding in again.outcome.findings] == [Verdict.ALREADY_ACCEPTED] * 2
    assert desk.contents() == before
    assert path.read_bytes() == data


def test_nothing_accepted_means_no_receipt_and_nothing_remembered(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    before = desk.contents()
    files = licensed.days(3)
    stranger = SimulatedSite(site="plant-9", key=SiteKey("stranger")).seal()
    done = desk.take(files[2], stranger, b"{}", files[0].replace(b"a", b"b", 1))
    assert not any(finding.good for finding in done.outcome.findings)
    assert done.receipts == ()
    assert desk.contents() == before


def test_a_fork_is_kept_once_beside_what_was_accepted(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    clone = licensed.clone()
    desk.take(licensed.seal())
    before = desk.contents()
    fork = clone.seal(rows=())
    assert desk.verdicts(fork) == ["fork"]
    desk.now += timedelta(days=1)
    assert desk.verdicts(fork) == ["fork"]
    after = desk.contents()
    ((site, *_, document, seen_at),) = after["usage_evidence"]
    assert (site, document, seen_at) == ("plant-7", fork, "2026-04-01T12:00:00Z")
    assert after | {"usage_evidence": []} == before


def test_a_database_restored_at_the_site_shows_at_the_vendors(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(licensed.seal())
    backup = licensed.clone()
    desk.take(*licensed.days(2))
    assert desk.verdicts(backup.seal(rows=()), licensed.seal()) == ["fork", "accepted"]


def test_a_site_that_began_again_has_a_chain_for_each_epoch(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    late = licensed.days(2)
    desk.take(late[0])
    returned = SimulatedSite(epoch=2, key=SiteKey("new"), licence_serial=2)
    desk.issue(returned, "second", re_enrol=True)
    done = desk.take(returned.seal(), late[1])
    assert done.outcome.all_good
    names = [path.name for _, path in done.receipts]
    assert names == ["receipt-plant-7-e2-1.signed.json", "receipt-plant-7-2.signed.json"]
    assert receipt(desk, done.receipts[0][1], epoch=2).seq == 1
    serials = {receipt(desk, path, epoch=kept.epoch).serial for kept, path in done.receipts}
    assert serials == {2, 3}


def test_a_key_that_returns_to_its_epoch_counts_nothing_twice(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    files = licensed.days(2)
    desk.take(*files)
    other = SimulatedSite(key=SiteKey("other"))
    desk.issue(other, "second", re_enrol=True)
    third = licensed.seal()
    assert desk.verdicts(third) == ["unknown_key"]
    assert desk.verdicts(other.seal()) == ["new_state"]
    desk.issue(licensed, "third", re_enrol=True)
    assert desk.verdicts(*files, third) == ["already_accepted", "already_accepted", "accepted"]
    assert desk.verdicts(other.seal()) == ["unknown_key"]


# -- cut short ---------------------------------------------------------------------------------------------------------


def test_a_receipt_that_could_not_be_written_is_written_again_the_same(
    desk: VendorsDesk, licensed: SimulatedSite, full: Callable[[], None]
) -> None:
    files = licensed.days(2)
    with pytest.raises(MediumFull):
        desk.take(*files)
    remembered = desk.contents()
    assert len(remembered["usage_accepted"]) == 2, "memory first: the files are accepted, with their receipt"
    full()
    desk.now += timedelta(days=3)
    ((_, path),) = desk.take(*files).receipts
    assert desk.contents() == remembered
    assert path.read_bytes() == remembered["receipts"][0][6]
    assert receipt(desk, path).issued_at == NOW


def test_a_fault_before_the_commit_leaves_everything_as_it_was(
    desk: VendorsDesk, licensed: SimulatedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = licensed.days(2)
    before = desk.contents()

    def fault(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("licensing.vendor.usage_memory.UsageMemory.record_receipt", fault)
        with pytest.raises(RuntimeError):
            desk.take(*files)
    assert desk.contents() == before
    assert desk.verdicts(*files) == ["accepted", "accepted"]


def test_a_licence_that_could_not_be_written_is_written_again_the_same(
    desk: VendorsDesk, site: SimulatedSite, full: Callable[[], None]
) -> None:
    terms = replace(TERMS, licence=None)
    with pytest.raises(MediumFull):
        desk.issue(site, terms=terms)
    recorded = desk.contents()["licences"]
    full()
    desk.now += timedelta(hours=1)
    delivered = desk.issue(site, terms=terms)
    assert delivered.serial == 1
    assert delivered.file.read_bytes() == recorded[0][6]
    assert delivered.name == open_licence(delivered.file.read_bytes(), desk.trust).claims.licence
    assert desk.issue(site, "renewal", terms=terms).serial == 2, "what was delivered is not given out twice"


@pytest.mark.usefixtures("full")
def test_a_lost_licence_is_not_dug_out_with_old_dates_or_for_other_terms(
    desk: VendorsDesk, site: SimulatedSite, full: Callable[[], None]
) -> None:
    with pytest.raises(MediumFull):
        desk.issue(site)
    full()
    assert desk.issue(site, "other", terms=replace(TERMS, days=30)).serial == 2
    desk.now += timedelta(days=2)
    assert desk.issue(site, "late").serial == 3


def test_a_config_that_could_not_be_written_is_written_again_the_same(
    desk: VendorsDesk, licensed: SimulatedSite, full: Callable[[], None]
) -> None:
    with pytest.raises(MediumFull):
        desk.sign(CONFIG)
    full()
    desk.now += timedelta(days=9)
    delivered = desk.sign(CONFIG)
    assert (delivered.serial, delivered.file.read_bytes()) == (1, desk.contents()["configs"][0][4])
    assert desk.sign(CONFIG, "again").serial == 2
    assert licensed.site == "plant-7"


def test_a_file_written_but_not_noted_as_delivered_is_found_in_place(
    desk: VendorsDesk, site: SimulatedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("licensing.vendor.memory.Memory.mark_delivered", fault)
        with pytest.raises(RuntimeError):
            desk.issue(site)
    written = (desk.folder / "licence.json").read_bytes()
    assert desk.issue(site).serial == 1
    assert (desk.folder / "licence.json").read_bytes() == written


# -- refused before anything happens -----------------------------------------------------------------------------------


def test_a_wrong_passphrase_changes_nothing(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    before = desk.contents()
    desk.ask = lambda: Passphrase(b"wrong")
    acts: list[Callable[[], object]] = [
        lambda: desk.issue(licensed, "second"),
        lambda: desk.sign(CONFIG),
        lambda: desk.take(licensed.seal()),
    ]
    for act in acts:
        with pytest.raises(PassphraseWrong):
            act()
    assert desk.contents() == before


def test_each_act_needs_its_own_roles_key(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    for role in ("config", "receipt"):
        (desk.home.keys / f"{role}-1.json").unlink()
    with pytest.raises(KeyMissing):
        desk.sign(CONFIG)
    with pytest.raises(KeyMissing):
        desk.take(licensed.seal())
    assert desk.issue(licensed, "second").serial == 2


def test_a_file_that_cannot_be_read_stops_the_whole_command(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    before = desk.contents()
    good = desk.file("good", licensed.seal())
    for bad in (desk.folder / "nowhere",):
        with pytest.raises(NotFound):
            operations_usage.reconcile_usage(desk.home, [good, bad], desk.folder, unlock=desk.unlock, now=NOW)
    assert desk.contents() == before


def test_another_file_in_the_receipts_place_is_left_alone(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    file = licensed.seal()
    mine = desk.file("receipt-plant-7-1.signed.json", b"mine")
    with pytest.raises(AlreadyThere):
        desk.take(file)
    assert mine.read_bytes() == b"mine"
    mine.rename(desk.folder / "moved away")
    assert receipt(desk, desk.take(file).receipts[0][1]).seq == 1
