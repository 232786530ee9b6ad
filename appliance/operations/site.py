"""Making a site, and its request to the vendor."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from appliance.access.authorise import Permission, Principal, authorise
from appliance.errors import ClockWrong, SettingsRefused, StateUnwritable
from appliance.operations.needs import needs
from appliance.state.site import Site, create_site
from appliance.state.standing import facts_here
from licensing.document import EARLIEST_YEAR, first_fault
from licensing.envelope import sign, to_json
from licensing.site_request import SiteRequest
from licensing.trust import KeyRecord, pin
from licensing.version import BUILD_TIME, __version__
from media.naming import naming
from media.reader import LIMITS, read_document
from media.writer import write_document


@dataclass(frozen=True, slots=True)
class Initialised:
    """`trust_digest` is what the operator compares with what the vendor reads aloud."""

    site: str
    epoch: int
    key: str
    trust_digest: str
    folder: Path
    request: Path


def initialise(
    folder: Path, *, site: str, name: str, trust_file: Path, now: datetime, entropy: bytes, by: Principal
) -> Initialised:
    """Makes the state folder with a key of its own, pins the trust document, and lays a site request ready.

    Refuses where a site already is.
    """
    authorise(by, Permission.HOST_WRITE)
    if now < BUILD_TIME:
        raise ClockWrong(f"This host's clock says {now:%Y-%m-%d}, which is before this release was made.")
    _check_names(site, name, now)
    trust = read_document(trust_file, limit=LIMITS["trust"])
    with naming(trust_file):
        pin(trust)
    made = create_site(folder, site=site, name=name, trust=trust, now=now, build_time=BUILD_TIME, entropy=entropy)
    floor = made.floor_of("root")
    with closing(made):
        write_request(made, ready_request(made), now)
        key = made.key.public_key.keyid
        return Initialised(site, made.epoch, key, floor.digest if floor else "", folder, ready_request(made))


def ready_request(site: Site) -> Path:
    """Where a request of this very state lies ready to be carried: written when the state is made, and by each
    `write_request` again."""
    return site.folder / "out" / "site-request.signed.json"


@needs(Permission.MEDIA_WRITE)
def request_document(site: Site, now: datetime) -> bytes:
    """A site request, signed by the site's own key. Raises ClockWrong where the clock says what no document can."""
    if now.year < EARLIEST_YEAR:
        raise ClockWrong(f"This host's clock says {now:%Y-%m-%d}, which no document can carry.")
    request = SiteRequest(
        schema_version=1,
        serial=site.next_request_serial(),
        issued_at=now,
        site=site.id,
        name=site.name,
        epoch=site.epoch,
        key=KeyRecord(algorithm=site.key.public_key.algorithm, public=site.key.public_key.public),
        sealing_key=site.key.sealing_public,
        product_version=__version__,
        challenge=site.challenge,
        hardware={name: tuple(sorted(values)) for name, values in facts_here(site).hardware.items()},
    )
    return to_json(sign(SiteRequest.payload_type(), request.to_bytes(), [site.key]))


@needs(Permission.MEDIA_WRITE)
def write_request(site: Site, file: Path, now: datetime) -> str:
    """Writes a fresh request durably, and the same where it lies ready; returns its digest. Older ones are replaced."""
    document = request_document(site, now)
    ready = ready_request(site)
    try:
        ready.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise StateUnwritable(f"The folder cannot be written: {exc.strerror}.", where=str(ready.parent)) from exc
    written = write_document(ready, document, replace=True)
    return written.sha256 if file == ready else write_document(file, document, replace=True).sha256


_ANY_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""The public key of RFC 8032's first test vector: something well-formed to check the rest of a request with."""


def _check_names(site: str, name: str, now: datetime) -> None:
    """Before anything is made: what the formats would refuse later is refused now, by the same rules."""
    try:
        SiteRequest(
            schema_version=1,
            serial=1,
            issued_at=now,
            site=site,
            name=name,
            epoch=1,
            key=KeyRecord(algorithm="ed25519", public=_ANY_KEY),
            sealing_key=bytes(32),
            product_version=__version__,
        )
    except ValidationError as exc:
        raise SettingsRefused(
            f"{first_fault(exc)}.",
            where="--site/--name",
            remedy="A site id has 3 to 63 lower-case letters, digits and dashes; a name has up to 128 characters.",
        ) from exc
