"""Media at the vendor's desk: documents onto one for a site, and what sites sent off one, copied beneath a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from licensing.algorithms import digest
from licensing.envelope import parse
from licensing.errors import Refusal, WrongKind
from licensing.shown import shown
from licensing.trust import claimed_version
from media.beneath import Beneath
from media.inbox import look, sites_on
from media.layout import KINDS, Direction, KindName
from media.outbox import Outgoing, put
from media.reader import LIMITS, read_document
from media.writer import Written, write_document

FIXED_NAMES: Final = {"licence": "licence.json", "config": "config.yaml.signed", "time": "time.signed.json"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A file on a medium. `digest` is of its bytes; `refusal` why it could not be read."""

    direction: Direction
    site: str
    kind: str
    name: str
    size: int
    digest: str
    refusal: Refusal | None = None


def export_to_site(medium: Path, site: str, files: Iterable[Path]) -> list[Written]:
    """Puts documents onto the medium under the names that the site looks for, whatever they are called here.

    An older licence, config or time token of that site is replaced. Raises WrongKind, MediaError.
    """
    outgoing = [_outgoing(file) for file in files]
    with Beneath.open(medium) as root:
        return put(root, "to-site", site, outgoing)


def inspect(medium: Path) -> list[Seen]:
    """Everything of ours on the medium, in both directions. Raises MediaError where the medium cannot be read."""
    directions: tuple[Direction, ...] = ("to-site", "to-vendor")
    with Beneath.open(medium) as root:
        return [
            seen
            for direction in directions
            for site in sites_on(root, direction)
            for seen in _seen(root, direction, site)
        ]


def import_from_sites(medium: Path, into: Path) -> list[tuple[Seen, Path | None]]:
    """Copies what sites sent into a folder for each of them: read once, bounded, written durably, nothing believed."""
    taken: list[tuple[Seen, Path | None]] = []
    with Beneath.open(medium) as root:
        for site in sites_on(root, "to-vendor"):
            for found in look(root, "to-vendor", site).found:
                try:
                    data = found.read(root)
                except Refusal as refusal:
                    taken.append((_of("to-vendor", site, found.kind, found.parts[-1], b"", refusal), None))
                    continue
                folder = into / site
                folder.mkdir(parents=True, exist_ok=True)
                target = folder / found.parts[-1].casefold()
                write_document(target, data, replace=found.kind == "site-request")
                taken.append((_of("to-vendor", site, found.kind, found.parts[-1], data), target))
    return taken


def _outgoing(file: Path) -> Outgoing:
    data = read_document(file, limit=max(LIMITS[kind] for kind in KINDS if KINDS[kind].direction == "to-site"))
    kind = _kind(parse(data).payload_type, file)
    if kind == "trust":
        return Outgoing(f"trust-{claimed_version(data)}.json", data)
    if kind == "receipt":
        return Outgoing(file.name.casefold(), data)
    return Outgoing(FIXED_NAMES[kind], data, fresh=True)


def _kind(payload_type: str, file: Path) -> KindName:
    for kind, carried in KINDS.items():
        if carried.direction == "to-site" and payload_type.startswith(f"application/vnd.ao.{kind}.v1+"):
            return kind
    raise WrongKind("This is no document that goes to a site.", where=shown(str(file), 400))


def _seen(root: Beneath, direction: Direction, site: str) -> list[Seen]:
    inbox = look(root, direction, site)
    seen = [_of(direction, site, "", "", b"", refusal) for refusal in inbox.refused]
    for found in inbox.found:
        try:
            seen.append(_of(direction, site, found.kind, found.parts[-1], found.read(root)))
        except Refusal as refusal:
            seen.append(_of(direction, site, found.kind, found.parts[-1], b"", refusal))
    return seen


def _of(direction: Direction, site: str, kind: str, name: str, data: bytes, refusal: Refusal | None = None) -> Seen:
    return Seen(direction, shown(site), kind, shown(name), len(data), digest(data) if data else "", refusal)
