"""The audit trail as administrators read it."""

from __future__ import annotations

from collections.abc import Callable

from appliance.access.authorise import Permission
from appliance.observe.audit import Entry, Verdict, entries
from appliance.operations.needs import needs
from appliance.state.site import Site


@needs(Permission.AUDIT_READ)
def read_trail(site: Site, *, after: int = 0, fits: Callable[[Entry], bool] = lambda _: True) -> list[Entry]:
    """The entries after that one which fit, in order, without checking the chain."""
    return [each for each in entries(site.database, after) if fits(each)]


@needs(Permission.AUDIT_READ)
def verify_trail(site: Site) -> Verdict:
    """Whether the trail is what was written."""
    return site.verify_audit()
