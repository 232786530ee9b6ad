"""The bytes of a request's head, and to which server it goes (RFC 9112, sections 2 to 5). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
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


@lru_cache(maxsize=256)
def _origin_of(base: str) -> tuple[Origin, str, str]:
    """The server of an address that has no query, what `host` tells it, and the path."""
    try:
        parts = urlsplit(base)
        port = parts.port or _PORTS[parts.scheme]
        host = (parts.hostname or "").encode("idna" if not base.isascii() else "ascii").decode()
    except (ValueError, KeyError) as exc:
        raise CannotBeAsked("This is no address of a server.") from exc
    told = f"[{host}]" if ":" in host else host
    if not host or not _TARGET.fullmatch(host) or parts.username is not None:
        raise CannotBeAsked("This is no address of a server.")
    if port != _PORTS[parts.scheme]:
        told = f"{told}:{port}"
    return Origin(parts.scheme == "https", host, port), told, _plain(parts.path) or "/"


def _plain(text: str) -> str:
    return text if _TARGET.fullmatch(text) else quote(text, safe=_KEPT)


def question(url: str, headers: Iterable[tuple[str, str]], length: int | None) -> tuple[Origin, bytes]:
    """A POST's head, up to the empty line. `length` is of the body in bytes; None where it goes in chunks.

    Raises CannotBeAsked.
    """
    base, mark, query = url.partition("#")[0].partition("?")
    origin, told, path = _origin_of(base)
    lines = [f"POST {path}{mark}{_plain(query)} HTTP/1.1"]
    named = False
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise CannotBeAsked(f"The header {name[:64]!r} cannot be sent.")
        named = named or name.lower() == "host"
        lines.append(f"{name}: {value}")
    if not named:
        lines.append(f"host: {told}")
    lines.append(f"user-agent: {USER_AGENT}\r\naccept: */*")
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    lines.append("\r\n")
    return origin, "\r\n".join(lines).encode("latin-1")
