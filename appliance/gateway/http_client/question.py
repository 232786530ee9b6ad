"""The bytes of a request's head, and to which server it goes (RFC 9112, sections 2 to 5). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

USER_AGENT = "ao-appliance"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(r"[!-~]*")
_KEPT = "!#$%&'()*+,/:;=?@[]_~-."
_PORTS = {"http": 80, "https": 443}


class CannotBeAsked(ValueError):
    """A request that cannot be said in HTTP: an address that is none, a header with a line break in it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A server as connections to it are kept by: RFC 9110, section 4.3.1."""

    secure: bool
    host: str
    port: int


@dataclass(frozen=True, slots=True, repr=False)
class _Asked:
    """What is the same in every question that one deployment is put at one endpoint."""

    origin: Origin
    path: str
    headers: bytes


def question(url: str, headers: tuple[tuple[str, str], ...], length: int | None) -> tuple[Origin, bytes]:
    """A POST's head, up to the empty line. `length` is of the body in bytes; None where it goes in chunks.

    Raises CannotBeAsked.
    """
    base, mark, query = url.partition("?")
    asked = _asked(base, headers)
    framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
    target = asked.path + mark + _plain(query.partition("#")[0]) if mark else asked.path
    return asked.origin, b"POST %b HTTP/1.1\r\n%b%b\r\n\r\n" % (target.encode(), asked.headers, framing)


@lru_cache(maxsize=256)
def _asked(base: str, headers: tuple[tuple[str, str], ...]) -> _Asked:
    try:
        parts = urlsplit(base)
        port = parts.port or _PORTS[parts.scheme]
        host = (parts.hostname or "").encode("ascii" if base.isascii() else "idna").decode()
    except (ValueError, KeyError) as exc:
        raise CannotBeAsked("This is no address of a server.") from exc
    if not host or not _TARGET.fullmatch(host) or parts.username is not None:
        raise CannotBeAsked("This is no address of a server.")
    return _Asked(
        Origin(parts.scheme == "https", host, port),
        _plain(parts.path) or "/",
        _lines(headers, f"[{host}]" if ":" in host else host, port if port != _PORTS[parts.scheme] else None),
    )


def _lines(headers: tuple[tuple[str, str], ...], host: str, port: int | None) -> bytes:
    lines: list[str] = []
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise CannotBeAsked(f"The header {name[:64]!r} cannot be sent.")
        lines.append(f"{name}: {value}\r\n")
    if not any(name.lower() == "host" for name, _ in headers):
        lines.append(f"host: {host}\r\n" if port is None else f"host: {host}:{port}\r\n")
    lines.append(f"user-agent: {USER_AGENT}\r\naccept: */*\r\n")
    return "".join(lines).encode("latin-1")


def _plain(text: str) -> str:
    return text if _TARGET.fullmatch(text) else quote(text, safe=_KEPT)
