"""A station that nobody sits at: media that hold something for this site are exchanged as they are plugged in.

Each mount is acted on once. What needs a person's agreement is left on the medium, unless the station was told to take
it; what one medium does wrong is logged and does not stop the next.
"""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Callable
from contextlib import suppress

from appliance.access.authorise import Permission
from appliance.operations.needs import needs
from appliance.state.site import Site
from licensing.errors import Refusal
from media.beneath import Beneath
from media.inbox import look
from media.medium import MOUNTINFO, Medium, media_here

POLL_SECONDS = 10.0
SETTLE_SECONDS = 1.0

log = logging.getLogger("ao.media")


def holds_something_for(medium: Medium, site: str) -> bool:
    """Whether a file on it is named for this site. A medium that cannot be read holds nothing."""
    with suppress(Refusal), Beneath.open(medium.path) as root:
        return bool(look(root, "to-site", site).found)
    return False


@needs(Permission.MEDIA_WRITE)
def watched_for(site: Site) -> str:
    """The site whose media are exchanged here."""
    return site.id


def watch(
    site: str,
    act: Callable[[Medium], None],
    *,
    stopped: Callable[[], bool],
    pause: Callable[[float], None],
    find: Callable[[], list[Medium]] = media_here,
) -> None:
    """Calls `act` once for each medium that appears and holds something for the site, until `stopped`."""
    seen: set[tuple[str, str]] = set()
    while not stopped():
        here = {(medium.mount.id, medium.mount.device): medium for medium in _found(find)}
        for mount, medium in here.items():
            if mount not in seen and holds_something_for(medium, site):
                _survive(act, medium)
        seen = set(here)
        pause(POLL_SECONDS)


def _survive(act: Callable[[Medium], None], medium: Medium) -> None:
    try:
        act(medium)
    except Refusal as refusal:
        log.warning("%s: %s [%s]", medium.description, refusal, refusal.code)
    except Exception:
        # One medium, whatever it makes happen, must not end the station.
        log.exception("%s: an unexpected fault", medium.description)


def until_mounts_change(seconds: float) -> None:
    """Waits until something is mounted or unmounted, at most so long; then lets it settle."""
    handle = os.open(MOUNTINFO, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.read(handle, 1)  # from now on a change counts
        waiting = select.poll()
        waiting.register(handle, select.POLLERR | select.POLLPRI)
        if waiting.poll(seconds * 1000):
            select.select([], [], [], SETTLE_SECONDS)
    finally:
        os.close(handle)


def _found(find: Callable[[], list[Medium]]) -> list[Medium]:
    try:
        return find()
    except Refusal as refusal:
        log.warning("%s [%s]", refusal, refusal.code)
        return []
