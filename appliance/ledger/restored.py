"""A restored ledger: a new epoch that names the head of the one that its backup was made in.

What the backup had sealed stays sealed, in files of its own epoch; what it had not is counted in the new epoch's first
files, whose period starts where the backup's last one ended, and which say how many came with it. Should the old
machine have gone on and reported them as well, the vendor has both files over the same hours, and this number.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from appliance.ledger.store import take_in
from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.document import format_time


def begin_epoch(database: sqlite3.Connection, now: datetime, challenge: str) -> tuple[int, int]:
    """Turns the state of a backup into the start of a new epoch; gives the new one and the old one."""
    with transaction(database) as db:
        site = db.execute("SELECT epoch, created_at FROM site").fetchone()
        last = db.execute("SELECT seq, digest, period_end FROM usage_files ORDER BY seq DESC LIMIT 1").fetchone()
        before = db.execute("SELECT period_end, reported_until FROM predecessor").fetchone()
        receipt = db.execute("SELECT seq, accepted_until FROM receipts ORDER BY seq DESC LIMIT 1").fetchone()
        old = int(site["epoch"])
        epoch = max(old + 1, int(now.strftime("%Y%m%d%H%M%S")))
        began = before["period_end"] if before else site["created_at"]
        reported = before["reported_until"] if before else site["created_at"]
        db.execute(
            "INSERT OR REPLACE INTO predecessor VALUES (1, ?, ?, ?, ?, ?, ?)",
            (
                old,
                last["seq"] if last else 0,
                last["digest"] if last else None,
                last["period_end"] if last else began,
                receipt["accepted_until"] if receipt else reported,
                format_time(now),
            ),
        )
        db.execute(
            "INSERT INTO former_files SELECT ?, seq, name, digest, bytes, seq <= ? FROM usage_files",
            (old, receipt["seq"] if receipt else 0),
        )
        # Sealed, and in no file of this epoch: their proofs are with the files of the old one, in the backup.
        db.execute("UPDATE ledger SET seq = 0 WHERE seq IS NOT NULL")
        db.execute("UPDATE anomalies SET seq = 0 WHERE seq IS NOT NULL")
        db.execute("UPDATE clock_steps SET seq = 0 WHERE seq IS NOT NULL")
        db.execute("DELETE FROM usage_files")
        db.execute("DELETE FROM receipts")
        db.execute("DELETE FROM in_force WHERE slot = 'receipt'")
        db.execute(
            # Requests of the old machine after its backup had numbers that are not known here; this one is above them.
            "UPDATE site SET epoch = ?1, created_at = ?2, challenge = ?3, request_serial = MAX(request_serial, ?1)",
            (epoch, format_time(now), challenge),
        )
    return epoch, old


def note_restored(site: Site, predecessor: int, now: datetime) -> int:
    """Takes in the journal of the backup, and puts down for the vendor how much came with it."""
    # What was cut off ended before this moment, so that the period that is closed now has it all.
    take_in(site.database, site.journal_folder, now - timedelta(seconds=1))
    with transaction(site.database) as db:
        carried = int(db.execute("SELECT COUNT(*) FROM ledger WHERE seq IS NULL").fetchone()[0])
        told = "restored from a backup of epoch {}: {} exchange(s) came with it that no file of it in the backup counts"
        db.execute(
            # At the start of the period that counts them, so that their file tells it.
            "INSERT INTO anomalies VALUES ((SELECT period_end FROM predecessor), 'restored', ?, NULL)",
            (told.format(predecessor, carried),),
        )
    return carried
