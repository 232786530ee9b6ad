"""Whether an address can be listened on: tried, and let go of at once."""

from __future__ import annotations

import errno
import socket
from typing import Final, Literal

from installer.preflight.facts import Listening
from installer.preflight.gather.host_files import HostFiles

_FAULTS: Final[dict[int | None, Literal["taken", "not ours", "not permitted"]]] = {
    errno.EADDRINUSE: "taken",
    errno.EADDRNOTAVAIL: "not ours",
    errno.EACCES: "not permitted",
    errno.EPERM: "not permitted",
}


def try_to_listen(host: str, port: int, files: HostFiles, *, ours: bool = False) -> Listening:
    """`host` is an address of this host, not a name: none is looked up."""
    lowest = files.number("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return Listening(host, port, _fault(host, port), 1024 if lowest is None else lowest, ours)


def _fault(host: str, port: int) -> Literal["taken", "not ours", "not permitted", "other"] | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            # As the gateway does: what lingers of connections that ended does not count as taken.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            socket.inet_pton(family, host)
            listening.bind((host, port))
            listening.listen(1)
    except OSError as error:
        return _FAULTS.get(error.errno, "other")
    return None
