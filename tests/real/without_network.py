"""That there is no way out. Not for a host at large: test_no_network.py names this file to a run inside a namespace."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

OUTSIDE = "NAMESPACE_OUTSIDE"
"""Holds the network namespace that the run must not be in."""

# TEST-NET-1 (RFC 5737): an address that nobody has, and that every default route leads to.
ELSEWHERE = ("192.0.2.1", 443)


def namespace() -> str:
    return str(Path("/proc/self/ns/net").readlink())


def reaches_elsewhere() -> bool:
    """Whether this host has a route out. Connecting a datagram socket asks for the route and sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(ELSEWHERE) not in (errno.ENETUNREACH, errno.EHOSTUNREACH)


def test_this_is_another_network() -> None:
    assert namespace() != os.environ[OUTSIDE]
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


def test_there_is_no_route_out() -> None:
    assert not reaches_elsewhere()
    assert Path("/proc/net/route").read_text().splitlines()[1:] == []


def test_loopback_is_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
