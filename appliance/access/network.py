"""The network that an address is of, in place of the address: enough to tell places apart."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network


@lru_cache(maxsize=4096)
def network_of(host: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 one; empty for what is no address (a unix socket)."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    plain = getattr(address, "ipv4_mapped", None) or address
    return str(ip_network((plain, 24 if isinstance(plain, IPv4Address) else 48), strict=False))
