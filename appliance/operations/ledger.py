"""The ledger itself: is it whole, and how it is made anew where it is not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission, Principal, authorise
from appliance.config.in_force import usage_policy
from appliance.config.usage_part import GUARDED
from appliance.errors import NotInitialised
from appliance.ledger.rebuild import Rebuilt, rebuild
from appliance.state.database import DatabaseFault, damage_in
from appliance.state.serving import ServingLock
from appliance.state.site import DATABASE, SITE_KEY, open_site
from appliance.state.site_key import load_site_key
from licensing.errors import Refusal


def damage(folder: Path, by: Principal) -> str | None:
    """What is wrong with the database, or None. Raises NotInitialised."""
    authorise(by, Permission.HOST_WRITE)
    if not (folder / DATABASE).is_file():
        raise NotInitialised("There is no site in this state folder.", where=str(folder))
    return damage_in(folder / DATABASE)


def rebuild_ledger(folder: Path, now: datetime, by: Principal) -> Rebuilt | None:
    """Makes the database anew where it is damaged; None where it is whole. Raises AlreadyServing, LedgerLost."""
    authorise(by, Permission.HOST_WRITE)
    lock = ServingLock(folder)
    try:
        if damage(folder, by) is None:
            return None
        key = load_site_key(folder / SITE_KEY)
        try:
            site = open_site(folder, by=by)
            labels = usage_policy(site).labels
            site.close()
        except (Refusal, DatabaseFault):
            labels = GUARDED
        return rebuild(folder / DATABASE, folder / "journal", key, labels, now)
    finally:
        lock.release()
