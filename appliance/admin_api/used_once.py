"""What a caller may use once, remembered in the state database: it holds over restarts and power cuts.

Promise: the same name of the same caller is never taken twice, also where this host's clock is set back: what has been
forgotten leaves a floor behind, and nothing dated at or below a floor is taken for new. A floor is a caller's own, so
that one whose clock ran wild shuts out itself alone (and gets a new token).
"""

from __future__ import annotations

from appliance.state.database import transaction
from appliance.state.site import Site

KEEP_SECONDS = 600


def use(site: Site, kind: str, caller: str, name: str, at: int, now: float) -> bool:
    """Takes `name`, dated `at`; False where it was taken before, or is older than what is still remembered."""
    with transaction(site.database) as db:
        floor = db.execute("SELECT at FROM admin_used_floor WHERE (kind, caller) = (?, ?)", (kind, caller)).fetchone()
        if floor is not None and at <= floor["at"]:
            return False
        added = db.execute(
            "INSERT OR IGNORE INTO admin_used_once (kind, caller, name, at) VALUES (?, ?, ?, ?)",
            (kind, caller, name, at),
        ).rowcount
        old = int(now) - KEEP_SECONDS
        db.execute(
            "INSERT INTO admin_used_floor (kind, caller, at) "
            "SELECT kind, caller, MAX(at) FROM admin_used_once WHERE at < ? GROUP BY kind, caller "
            "ON CONFLICT (kind, caller) DO UPDATE SET at = MAX(at, excluded.at)",
            (old,),
        )
        db.execute("DELETE FROM admin_used_once WHERE at < ?", (old,))
    return added == 1
