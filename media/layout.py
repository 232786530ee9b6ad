"""What lies where on a medium, and under which names (pure).

    AO/README.txt                      what this is, for whoever finds the medium
    AO/to-site/<site>/                 vendor → site: trust, licence, config, time token, receipts, release
    AO/to-vendor/<site>/               site → vendor: usage files, the site request, transfer sheets
    AO/to-…/<site>/index.txt           digests as `sha256sum -c` reads them; a convenience, believed by nobody

Only these names are ever looked at. They are compared without regard to case, as FAT does. Each kind has a second name
of eight letters and a three-letter ending, for stations whose FAT keeps no longer ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

TOP: Final = "AO"
TO_SITE: Final = "to-site"
TO_VENDOR: Final = "to-vendor"
INDEX: Final = "index.txt"
README: Final = "README.txt"

Direction = Literal["to-site", "to-vendor"]
KindName = Literal["trust", "time", "licence", "config", "receipt", "release", "usage", "site-request"]


@dataclass(frozen=True, slots=True)
class Carried:
    """A kind of document that crosses the gap; `order` is that of taking in, since each may vouch for the next."""

    kind: KindName
    direction: Direction
    order: int
    name: re.Pattern[str]
    short: re.Pattern[str]


def _carried(kind: KindName, direction: Direction, order: int, name: str, short: str) -> Carried:
    return Carried(kind, direction, order, re.compile(name), re.compile(short))


KINDS: Final[Mapping[KindName, Carried]] = MappingProxyType(
    {
        each.kind: each
        for each in (
            _carried("trust", "to-site", 1, r"trust(-\d{1,9})?\.json", r"trust\d{0,3}\.jsn"),
            _carried("time", "to-site", 2, r"time(-[a-z0-9-]{1,80})?\.signed\.json", r"time\.jsn"),
            _carried("licence", "to-site", 3, r"licence(-[a-z0-9-]{1,80})?\.json", r"licence\.jsn"),
            _carried("config", "to-site", 4, r"config\.yaml\.signed", r"config\.yml"),
            _carried("receipt", "to-site", 5, r"receipt-[a-z0-9-]{1,100}\.signed\.json", r"rcpt\d{1,4}\.jsn"),
            _carried("release", "to-site", 6, r"release(-[a-z0-9.-]{1,40})?\.json", r"release\.jsn"),
            _carried("site-request", "to-vendor", 1, r"site-request\.signed\.json", r"request\.jsn"),
            _carried("usage", "to-vendor", 2, r"usage-\d{4}-\d{2}-\d{2}(\.\d{1,4})?\.signed\.json", r"u\d{1,7}\.jsn"),
        )
    }
)


def kind_of(name: str, direction: Direction) -> KindName | None:
    """Which kind of document a file of this name would be, or None: it is nobody's business here."""
    folded = name.casefold()
    for each in KINDS.values():
        if each.direction == direction and (each.name.fullmatch(folded) or each.short.fullmatch(folded)):
            return each.kind
    return None


def folder_of(direction: Direction, site: str) -> tuple[str, ...]:
    return (TOP, direction, site)


def readme(site: str | None) -> bytes:
    """What a person reads who finds this medium. CR LF, because it may be read on any machine."""
    lines = (
        "This medium carries documents of AO Appliance between a site and its vendor.",
        "",
        f"{TOP}/{TO_SITE}/<site>/    to the site: trust, licence, config, time token, receipts, release",
        f"{TOP}/{TO_VENDOR}/<site>/  to the vendor: usage files, the site request, transfer sheets",
        "",
        "Every document is signed; changing one makes it worthless. Nothing here runs, and nothing here is secret but",
        "what a config may hold. index.txt lists digests; check them with: sha256sum -c index.txt",
        "",
        "At the site:   ao media exchange PATH",
        "At the vendor: ao-vendor media inspect PATH",
        *(("", f"Last written for site {site}.") if site else ()),
    )
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def index(digests: Mapping[str, str]) -> bytes:
    """`sha256sum`'s own form: digest in hexadecimal, two blanks, name. `digests` as `sha256:…` by file name."""
    return "".join(f"{digests[name].removeprefix('sha256:')}  {name}\n" for name in sorted(digests)).encode("ascii")
