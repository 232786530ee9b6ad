"""Tries: receipts written into the database, so that overdue usage does not block.

Meets: Root wins here; the sealed usage files still name the last genuine receipt, so the vendor sees it. Without that,
`usage_overdue`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from appliance.operations.usage import export_usage, seal_now
from appliance.state.site import Site
from licensing.usage import open_usage
from tests.appliance.operations.test_life_papers import refusal_of
from tests.appliance.papers import NOW
from tests.appliance.sites import put_licence
from tests.attacks.licensing.tampered import edit


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
