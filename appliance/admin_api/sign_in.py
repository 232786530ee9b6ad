"""What a bearer token opens."""

from __future__ import annotations

from datetime import datetime

from appliance.admin_api.caller import Caller, Peer
from appliance.admin_api.errors import NotAuthenticated
from appliance.state.site import Site


def authenticate(site: Site, token: str, peer: Peer, now: datetime) -> Caller:
    """Raises NotAuthenticated."""
    raise NotAuthenticated("The token opens nothing here.")
