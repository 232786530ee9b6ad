"""What a bearer token opens."""

from __future__ import annotations

from datetime import datetime

from appliance.access.attempts import Origin
from appliance.admin_api.caller import Caller, Peer
from appliance.operations.sign_in import who_calls
from appliance.state.site import Site


def authenticate(site: Site, token: str, peer: Peer, now: datetime) -> Caller:
    """Whose session or service token it is. Raises NotSignedIn; NotPermitted where it may not be used from there."""
    found = who_calls(site, token, origin_of(peer), now)
    return Caller(found.principal, found.credential, found.networks, found.signed)


def origin_of(peer: Peer) -> Origin:
    return Origin(peer.source, peer.address)
