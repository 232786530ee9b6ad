"""Keys taken over from another gateway: all of a file, or none."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.access.key_import import LIMIT_BYTES, Found, Home, Source, read_keys
from appliance.access.keys import ApiKey, import_key
from appliance.errors import KeyRefused
from appliance.operations.keys import require_may_fill
from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.shown import shown
from media.reader import read_document


def find_keys(file: Path, source: Source, home: Home, now: datetime) -> Found:
    """What an export holds; nothing is changed. Raises MediaError, KeyRefused."""
    return find_keys_in(read_document(file, limit=LIMIT_BYTES), source, home, now, file=shown(str(file)))


def find_keys_in(data: bytes, source: Source, home: Home, now: datetime, *, file: str) -> Found:
    """The same for bytes that were read already; `file` is what a refusal calls them."""
    return read_keys(data, source, home, now, file=file)


def import_keys(site: Site, found: Found, source: Source, now: datetime) -> list[ApiKey]:
    """Raises KeyRefused where one of them is known here already, or cannot be taken, and NotPermitted where one would
    be of an org or team that whoever acts makes no keys in; then none is taken."""
    site.require_somewhere(Permission.KEYS_WRITE)
    for foreign in found.keys:
        site.require(Permission.KEYS_WRITE, foreign.org, foreign.team)
        require_may_fill(site, foreign.org, foreign.team)
    taken: list[ApiKey] = []
    with transaction(site.database):
        for number, foreign in enumerate(found.keys, 1):
            try:
                taken.append(import_key(site.database, site.key.hash_key, foreign, now))
            except KeyRefused as exc:
                raise KeyRefused(
                    exc.message, where=f"key {number}", remedy="Take it out of the file, and import the others."
                ) from exc
        for key in taken:
            site.record("key.import", f"{key.id} {key.name!r} of {key.org}/{key.team} from {source}", now)
    site.board.raise_generation()
    return taken
