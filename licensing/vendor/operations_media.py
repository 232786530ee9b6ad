"""Media at the vendor's desk: documents onto one for a site, and what sites sent off one, copied beneath a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from licensing.algorithms import digest
from licensing.envelope import Envelope, parse
from licensing.errors import Malformed, Refusal, WrongAudience, WrongKind
from licensing.shown import shown
from licensing.strict_json import load_object
from licensing.trust import claimed_version
from licensing.vendor.errors import SiteUnknown
from media.beneath import Beneath
from media.errors import MediaError
from media.inbox import Found, Inbox, bare, is_site_id, look, sites_on
from media.layout import KINDS, Direction, KindName, kind_of
from media.naming import naming
from media.outbox import Outgoing, Put, put
from media.progress import Progress, untold
from media.reader import LIMITS, read_document
from media.strict_yaml import load
from media.writer import refusing, write_document

FIXED_NAMES: Final = {"licence": "licence.json", "config": "config.yaml.signed", "time": "time.signed.json"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A file on a medium. `digest` is of its bytes; `refusal` why it could not be read or kept."""

    direction: Direction
    site: str
    kind: str
    name: str
    size: int
    digest: str
    refusal: Refusal | None = None


def export_to_site(medium: Path, site: str, files: Iterable[Path], *, progress: Progress = untold) -> Put:
    """Puts documents onto the medium under the names that the site looks for, whatever they are called here.

    An older licence, config or time token of that site is replaced. Raises SiteUnknown for what can be no site's id,
    WrongKind, WrongAudience for another site's document, MediaError; then nothing was written.
    """
    if not is_site_id(site):
        raise SiteUnknown(f"{shown(site)!r} is no site's id: it has 3 to 63 lower-case letters, digits and dashes.")
    outgoing = [_outgoing(file, site) for file in files]
    with Beneath.open(medium) as root:
        return put(root, "to-site", site, outgoing, progress=progress)


def inspect(medium: Path, *, progress: Progress = untold) -> list[Seen]:
    """Everything of ours on the medium, in both directions. Raises MediaError where the medium cannot be read."""
    directions: tuple[Direction, ...] = ("to-site", "to-vendor")
    seen: list[Seen] = []
    with Beneath.open(medium) as root:
        for direction in directions:
            for site in sites_on(root, direction):
                inbox = _inbox(root, direction, site)
                seen += [_refused(direction, site, each) for each in inbox.refused]
                for number, found in enumerate(inbox.found):
                    progress(number, len(inbox.found), found.name)
                    seen.append(_read(root, direction, site, found)[0])
    return seen


def import_from_sites(medium: Path, into: Path, *, progress: Progress = untold) -> list[tuple[Seen, Path | None]]:
    """Copies what sites sent into a folder for each of them: read once, bounded, written durably, nothing believed.

    A name that is taken there by other bytes stays on the medium and is told; the rest is copied.
    """
    taken: list[tuple[Seen, Path | None]] = []
    with Beneath.open(medium) as root:
        for site in sites_on(root, "to-vendor"):
            inbox = _inbox(root, "to-vendor", site)
            taken += [(_refused("to-vendor", site, each), None) for each in inbox.refused]
            for number, found in enumerate(inbox.found):
                progress(number, len(inbox.found), found.name)
                seen, data = _read(root, "to-vendor", site, found)
                taken.append((seen, None) if seen.refusal else _kept(seen, data, into / site, found))
    return taken


def _inbox(root: Beneath, direction: Direction, site: str) -> Inbox:
    """What one site's folder is refused for does not stop the next."""
    try:
        return look(root, direction, site)
    except MediaError as refusal:
        return Inbox(refused=(bare(refusal),))


def _kept(seen: Seen, data: bytes, folder: Path, found: Found) -> tuple[Seen, Path | None]:
    target = folder / found.parts[-1].lower()
    try:
        with refusing("make the folder", shown(str(folder), 400)):
            folder.mkdir(parents=True, exist_ok=True)
        write_document(target, data, replace=found.kind == "site-request")
    except Refusal as refusal:
        return Seen(seen.direction, seen.site, seen.kind, seen.name, seen.size, seen.digest, bare(refusal)), None
    return seen, target


def _read(root: Beneath, direction: Direction, site: str, found: Found) -> tuple[Seen, bytes]:
    try:
        data = found.read(root)
    except Refusal as refusal:
        return Seen(direction, site, found.kind, found.name, 0, "", bare(refusal)), b""
    return Seen(direction, site, found.kind, found.name, len(data), digest(data)), data


def _refused(direction: Direction, site: str, refusal: Refusal) -> Seen:
    return Seen(direction, site, "", "", 0, "", refusal)


def _outgoing(file: Path, site: str) -> Outgoing:
    data = read_document(file, limit=max(LIMITS[kind] for kind in KINDS if KINDS[kind].direction == "to-site"))
    with naming(file):
        envelope = parse(data)
        kind = _kind(envelope.payload_type)
        if kind == "trust":
            return Outgoing(f"trust-{claimed_version(data)}.json", data)
        says = _says(kind, envelope)
        _require_for(site, kind, says)
    if kind == "receipt":
        name = file.name.lower()
        return Outgoing(
            name if kind_of(name, "to-site") == "receipt" else f"receipt-{site}-{says.get('seq', 0)}.signed.json", data
        )
    return Outgoing(FIXED_NAMES[kind], data, fresh=True)


def _kind(payload_type: str) -> KindName:
    for kind, carried in KINDS.items():
        if carried.direction == "to-site" and payload_type.startswith(f"application/vnd.ao.{kind}.v1+"):
            return kind
    raise WrongKind("This is no document that goes to a site.")


def _says(kind: KindName, envelope: Envelope) -> dict[str, Any]:
    """The claims, believed by nobody: enough to see a document that was picked up by mistake."""
    said = load(envelope.body).value if kind == "config" else load_object(envelope.body)
    if not isinstance(said, dict):
        raise Malformed(f"This {kind} says nothing.")
    return said


def _require_for(site: str, kind: KindName, says: dict[str, Any]) -> None:
    binding = says.get("binding")
    meant = binding.get("site") if kind == "licence" and isinstance(binding, dict) else says.get("site")
    if meant != site:
        raise WrongAudience(
            f"This {kind} is for site {shown(str(meant), 63)!r}, not for {site!r}; nothing was written.",
            remedy="Name the file that was made for this site.",
        )
