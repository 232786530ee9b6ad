"""The vendor's word comes back: what it acknowledges, what it does not, and what it must not undo."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import NothingToExport, UsageUnknown
from appliance.ledger.seal import Sealed, sealed_files
from appliance.ledger.unacknowledged import acknowledged_seq
from appliance.operations.usage import export_usage, import_receipt, read_usage_file, seal_now, uses
from appliance.state.site import Site
from appliance.state.standing import judge_site, reported_until
from licensing.clock import TimeFloor
from licensing.document import format_time
from licensing.errors import SerialRefused, SignatureRefused, WrongAudience
from licensing.ratchet import Arrival
from licensing.standing import Rung
from tests.appliance.entries import entry, record
from tests.appliance.papers import NOW, receipt_bytes
from tests.appliance.sites import make_site, on_stick, put_licence


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Three files are sealed; the first two hold an exchange each."""
    made = make_site(tmp_path / "state")
    put_licence(made)
    for hour in range(1, 4):
        if hour < 3:
            ended = NOW + timedelta(hours=hour, minutes=-1)
            record(made, entry(f"x{hour}", ended_at=int(ended.timestamp() * 1000)), name=f"w{hour}")
        seal_now(made, NOW + timedelta(hours=hour))
    yield made
    made.close()


LATER = NOW + timedelta(hours=5)


def receipt(at: Site, sealed: Sealed, serial: int, **changes: Any) -> Path:
    usual: dict[str, Any] = {
        "seq": sealed.seq,
        "head": sealed.digest,
        "accepted_until": format_time(sealed.period.end),
        "serial": serial,
    }
    return on_stick(at, f"receipt-{serial}.json", receipt_bytes(epoch=at.epoch, now=LATER, **(usual | changes)))


def test_a_receipt_acknowledges_everything_up_to_its_file(site: Site) -> None:
    first, second, third = sealed_files(site.database)
    taken, arrival = import_receipt(site, receipt(site, second, 1), LATER)
    assert (taken.seq, arrival) == (2, Arrival.NEW)
    assert acknowledged_seq(site) == 2
    assert reported_until(site) == second.period.end
    assert uses(site, LATER) == []
    stick = site.folder.parent / "out"
    stick.mkdir()
    assert [each.path.name for each in export_usage(site, stick)] == [third.name]
    assert len(export_usage(site, stick, everything=True)) == 3
    assert first.seq == 1


def test_a_receipt_is_a_witness_of_time(site: Site) -> None:
    """The vendor dated it: no clock earlier than that is believed any more; its word on usage is older and raises
    nothing."""
    before = site.time_floor()
    assert before.at < LATER
    first, second, _ = sealed_files(site.database)
    import_receipt(site, receipt(site, first, 1), LATER)
    assert site.time_floor() == TimeFloor(LATER, "the receipt document with serial 1")
    assert judge_site(site, site.trust(), LATER - timedelta(hours=2)).rung is Rung.CLOCK_UNTRUSTED
    assert judge_site(site, site.trust(), LATER).rung is Rung.VALID
    import_receipt(site, receipt(site, second, 2, issued_at=format_time(NOW)), LATER)
    assert site.time_floor().at == LATER, "an older date lowers nothing"


def test_the_same_receipt_again_is_no_news(site: Site) -> None:
    files = sealed_files(site.database)
    older, newer = receipt(site, files[0], 1), receipt(site, files[1], 2)
    assert import_receipt(site, older, LATER)[1] is Arrival.NEW
    assert import_receipt(site, newer, LATER)[1] is Arrival.NEW
    assert import_receipt(site, newer, LATER)[1] is Arrival.SAME
    assert import_receipt(site, older, LATER)[1] is Arrival.SAME
    assert acknowledged_seq(site) == 2


def test_a_receipt_for_a_file_that_this_site_never_sealed_is_refused(site: Site) -> None:
    (last,) = sealed_files(site.database)[2:]
    with pytest.raises(UsageUnknown, match="never sealed"):
        import_receipt(site, receipt(site, last, 1, seq=9), LATER)
    with pytest.raises(UsageUnknown, match="another usage file") as refused:
        import_receipt(site, receipt(site, last, 1, head="sha256:" + "0" * 64), LATER)
    assert "call the vendor" in refused.value.remedy
    assert acknowledged_seq(site) == 0


def test_a_receipt_for_somebody_else_or_by_somebody_else_is_refused(site: Site) -> None:
    last = sealed_files(site.database)[2]
    with pytest.raises(WrongAudience):
        import_receipt(site, receipt(site, last, 1, site="another-site"), LATER)
    with pytest.raises(WrongAudience):
        import_receipt(site, on_stick(site, "r.json", receipt_bytes(epoch=site.epoch + 1, serial=1)), LATER)
    with pytest.raises(SignatureRefused):
        import_receipt(site, receipt(site, last, 1, signer="licence-1"), LATER)


def test_an_older_receipt_that_was_never_seen_is_refused(site: Site) -> None:
    files = sealed_files(site.database)
    import_receipt(site, receipt(site, files[1], 5), LATER)
    with pytest.raises(SerialRefused):
        import_receipt(site, receipt(site, files[0], 4), LATER)
    assert acknowledged_seq(site) == 2


def test_a_receipt_ends_an_overdue_report(site: Site) -> None:
    put_licence(site, serial=2, usage={"report_every_days": 1, "when_overdue": "block"})
    late = NOW + timedelta(days=1, hours=2)
    assert judge_site(site, site.trust(), late).rung is Rung.USAGE_OVERDUE
    import_receipt(site, receipt(site, sealed_files(site.database)[2], 1), late)
    assert judge_site(site, site.trust(), late).terms.serves


def test_a_receipt_of_a_new_key_epoch_counts_although_its_serial_starts_again(site: Site) -> None:
    """Rotating the vendor's receipt key starts a new ratchet; what the new key acknowledges is acknowledged."""
    files = sealed_files(site.database)
    import_receipt(site, receipt(site, files[0], 1), LATER)
    # As if the receipt had come in the key epoch before.
    site.database.execute("PRAGMA foreign_keys=OFF")
    for table in ("documents", "in_force"):
        site.database.execute(f"UPDATE {table} SET key_epoch = 0 WHERE role = 'receipt'")
    site.database.execute("UPDATE receipts SET key_epoch = 0")
    assert import_receipt(site, receipt(site, files[1], 1), LATER)[1] is Arrival.NEW
    assert acknowledged_seq(site) == 2


def test_nothing_to_export_is_said(tmp_path: Path, site: Site) -> None:
    import_receipt(site, receipt(site, sealed_files(site.database)[2], 1), LATER)
    with pytest.raises(NothingToExport):
        export_usage(site, tmp_path)


def test_a_file_is_read_by_the_site_that_sealed_it_alone(site: Site, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    written = export_usage(site, tmp_path / "out")[0].path
    assert read_usage_file(site, written).seq == 1
    other = make_site(tmp_path / "other", name="other")
    with pytest.raises(SignatureRefused):
        read_usage_file(other, written)
    other.close()
