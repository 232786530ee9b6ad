"""What the attacks on a site's own state have in common: somebody who may write to its folder, and asks nobody.

A site's own root cannot be kept out by the site. What holds is this: nothing that the vendor (or the customer's
officers) did not sign is ever believed, whatever is written to the database. What root *can* do with genuine papers,
going back to an older one above all, is said where it is tried, under `root wins`; there the vendor sees it, in the
chain of usage files or by the licence serial that they name.
"""

from __future__ import annotations

from typing import Any

from appliance.state.site import Site
from tests.appliance.papers import licence_bytes


def edit(site: Site, statement: str, *values: object) -> None:
    """As with a database tool."""
    site.database.execute("PRAGMA foreign_keys=OFF")
    site.database.execute(statement, values)
    site.board.raise_generation()


def put_bytes(site: Site, role: str, data: bytes) -> None:
    edit(site, "UPDATE documents SET bytes = ? WHERE role = ?", data, role)


def own_licence(site: Site, **changes: Any) -> bytes:
    """A licence made out to this very site."""
    return licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, **{"serial": 1, **changes})
