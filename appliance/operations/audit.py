"""The audit trail as administrators read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.errors import NothingToExport
from appliance.observe.audit import FIRST, Entry, Verdict, entries
from appliance.observe.audit_export import LIMIT_BYTES, check, exported
from appliance.operations.needs import needs
from appliance.state.site import Site
from licensing.algorithms import PublicKey
from media.reader import read_document


@needs(Permission.AUDIT_READ)
def read_trail(site: Site, *, after: int = 0, fits: Callable[[Entry], bool] = lambda _: True) -> list[Entry]:
    """The entries after that one which fit, in order, without checking the chain."""
    return [each for each in entries(site.database, after) if fits(each)]


@needs(Permission.AUDIT_READ)
def export_trail(site: Site, now: datetime, *, after: int = 0) -> bytes:
    """The entries after that one as NDJSON, with an end that the site signs. See observe/audit_export.py."""
    row = site.database.execute("SELECT digest FROM audit WHERE seq = ?", (after,)).fetchone()
    if after and row is None:
        raise NothingToExport(f"There is no entry {after}.", remedy="See ao audit list for what there is.")
    before = str(row["digest"]) if row else FIRST
    return exported(entries(site.database, after), site=site.id, after=after, before=before, now=now, key=site.key)


@needs(Permission.AUDIT_READ)
def verify_own_export(site: Site, file: Path) -> Verdict:
    """Whether a file that `export_trail` wrote at this site is as it was."""
    return verify_export(file, site.key.public_key)


def verify_export(file: Path, key: PublicKey) -> Verdict:
    """The same for the site with this key, on any machine. Raises MediaError."""
    return check(read_document(file, limit=LIMIT_BYTES), key)


@needs(Permission.AUDIT_READ)
def verify_trail(site: Site) -> Verdict:
    """Whether the trail is what was written."""
    return site.verify_audit()
