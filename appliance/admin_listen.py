"""Where the admin API listens: a socket file, an address of this host alone, or nowhere (pure).

Tokens travel with every call, so what is not protected by the file system or by TLS stays within the host: an address
that others can reach is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

PATH_BYTES = 107
"""The longest path that a unix socket can have (sun_path, unix(7))."""

NAME = "admin.sock"


@dataclass(frozen=True, slots=True)
class AdminListen:
    """One of socket and address, or neither. `fault` is why it is neither although it was wanted."""

    socket: Path | None = None
    host: str = ""
    port: int = 0
    fault: str | None = None

    @classmethod
    def in_folder(cls, folder: Path) -> AdminListen:
        """Where nothing is said: in the state folder, which only its owner can enter."""
        socket = folder / NAME
        if len(str(socket).encode()) > PATH_BYTES:
            return cls(fault=f"The path {socket} is too long for a socket; name another with admin_listen.")
        return cls(socket)

    @property
    def wanted(self) -> bool:
        return self.socket is not None or bool(self.host)

    def __str__(self) -> str:
        if self.socket is not None:
            return f"unix:{self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}" if self.host else "none"


def listen_in(written: str) -> AdminListen:
    """Raises ValueError with a sentence."""
    if written == "none":
        return AdminListen()
    if written.startswith("unix:"):
        path = Path(written.removeprefix("unix:"))
        if not path.is_absolute() or path.name in ("", ".."):
            raise ValueError("a socket is named with its whole path, as in unix:/run/ao/admin.sock")
        if len(str(path).encode()) > PATH_BYTES:
            raise ValueError(f"a socket's path has {PATH_BYTES} bytes at most")
        return AdminListen(path)
    host, colon, port = written.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError("write unix:PATH, ADDRESS:PORT or none")
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError("write the address in numbers, as in 127.0.0.1:8081") from None
    if not address.is_loopback:
        raise ValueError("the admin API is reached within this host alone; put what others reach it by before it")
    return AdminListen(None, str(address), int(port))
