"""Who calls: what a token opens, and from where it may."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Protocol

from appliance.access.authorise import Principal
from appliance.access.keys import Address, Network, within
from appliance.admin_api.errors import NotAuthenticated, SourceRefused
from appliance.state.site import Site

UNIX_SOCKET = "unix socket"
"""The source of a call that came over the socket file: whoever may open that file, and holds a token."""

NOBODY = Principal("nobody", (), UNIX_SOCKET)

_TOKEN_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of the connection, as the kernel names it; None: it came over the unix socket.

    What a header says of where a call came from is not looked at.
    """

    address: Address | None

    @property
    def source(self) -> str:
        return UNIX_SOCKET if self.address is None else str(self.address)


@dataclass(frozen=True, slots=True)
class Caller:
    """`credential` names the session or token (never its secret): what is used once, is used once by it.

    `networks` are those that it may be used from (None: from anywhere); `signed`: its calls must be signed.
    """

    principal: Principal
    credential: str
    networks: tuple[Network, ...] | None = None
    signed: bool = False


class Authenticator(Protocol):
    """Raises a refusal where the token opens nothing."""

    def __call__(self, site: Site, token: str, peer: Peer, now: datetime) -> Caller: ...


def peer_of(client: tuple[str, int] | None) -> Peer:
    """From ASGI's `client`; over a unix socket the host is empty."""
    if client is None or not client[0]:
        return Peer(None)
    address = ip_address(client[0].partition("%")[0])
    return Peer(getattr(address, "ipv4_mapped", None) or address)


def bearer_in(authorization: str | None) -> str:
    """Raises NotAuthenticated."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("The call carries no token.")
    if len(token) > _TOKEN_LIMIT or not token.isascii() or not token.isprintable():
        raise NotAuthenticated("The token opens nothing here.")
    return token


def require_source(caller: Caller, peer: Peer) -> None:
    """Raises SourceRefused."""
    if caller.networks is not None and not within(caller.networks, peer.address):
        raise SourceRefused(f"{caller.principal.name} may not call from {peer.source}.")
