"""What goes out to the vendor: sealed usage that is not acknowledged, and a site request where one is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from appliance.access.authorise import Permission
from appliance.ledger.seal import sealed_files
from appliance.ledger.unacknowledged import acknowledged_seq
from appliance.operations.needs import needs
from appliance.operations.site import request_document
from appliance.state.site import Site
from appliance.state.standing import facts_here, judge_site
from licensing.errors import Refusal
from licensing.site_request import SiteRequest, open_site_request
from licensing.standing import Rung
from licensing.version import __version__
from media.beneath import Beneath
from media.errors import MediaError
from media.inbox import Found, look
from media.outbox import Outgoing, Put, put
from media.progress import Progress, untold

REQUEST: Final = "site-request.signed.json"
_WANTS_A_LICENCE: Final = frozenset(Rung) - {Rung.VALID, Rung.USAGE_OVERDUE}


@needs(Permission.MEDIA_WRITE)
def export_medium(
    site: Site,
    root: Beneath,
    now: datetime,
    *,
    everything: bool = False,
    request: bool = False,
    progress: Progress = untold,
) -> Put:
    """Writes what the vendor needs; `everything`: also acknowledged usage; `request`: a site request in any case.

    What was written is whole. Nothing is marked as delivered: only a receipt says that.
    """
    usage = sealed_files(site.database, 0 if everything else acknowledged_seq(site))
    outgoing = [Outgoing(each.name, each.data, serial=each.seq) for each in usage]
    if request or judge_site(site, site.trust(), now).rung in _WANTS_A_LICENCE:
        data = _request(site, root, now)
        serial = open_site_request(data).claims.serial
        outgoing.append(Outgoing(REQUEST, data, fresh=True, serial=serial))
    return put(root, "to-vendor", site.id, outgoing, progress=progress)


def _request(site: Site, root: Beneath, now: datetime) -> bytes:
    """The request that lies there already, where it still says what a new one would; else a new one."""
    for found in _lying_there(site, root):
        if found.kind == "site-request":
            try:
                data = found.read(root)
                if _says(site, open_site_request(data).claims):
                    return data
            except Refusal:
                continue
    return request_document(site, now)


def _lying_there(site: Site, root: Beneath) -> Sequence[Found]:
    try:
        return look(root, "to-vendor", site.id).found
    except MediaError:  # whether it can be written to is found out by writing
        return ()


def _says(site: Site, there: SiteRequest) -> bool:
    hardware = {name: tuple(sorted(values)) for name, values in facts_here(site).hardware.items()}
    return (there.site, there.epoch, there.key.key, there.challenge, there.product_version, dict(there.hardware)) == (
        site.id,
        site.epoch,
        site.key.public_key,
        site.challenge,
        __version__,
        hardware,
    )
