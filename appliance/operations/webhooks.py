"""The webhooks that the config names, and what waits for them: shown, tried, sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from appliance.access.authorise import Permission
from appliance.config.in_force import open_config_in_force
from appliance.config.webhooks_part import Webhook
from appliance.errors import WebhookUnknown
from appliance.state import outgoing
from appliance.state.database import transaction
from appliance.state.outgoing import Delivery
from appliance.state.site import Site


@dataclass(frozen=True, slots=True)
class Listed:
    """A webhook, with how much waits for it, how much was given up, and why the last attempt was none."""

    webhook: Webhook
    waiting: int
    dead: int
    said: str | None

    def as_dict(self) -> dict[str, Any]:
        of = self.webhook
        return {
            "name": of.name,
            "url": of.url,
            "events": list(of.events),
            "waiting": self.waiting,
            "dead": self.dead,
            "said": self.said,
        }


def list_webhooks(site: Site) -> list[Listed]:
    """Raises ConfigMissing, and what opening the config refuses."""
    site.require(Permission.WEBHOOKS_READ)
    return [_listed(site, each) for each in _in_force(site)]


def test_webhook(site: Site, name: str, now: datetime, entropy: bytes) -> str:
    """Puts an event for this address only into the queue, and gives its id: the gateway sends it.

    Raises WebhookUnknown, and what opening the config refuses.
    """
    site.require(Permission.WEBHOOKS_WRITE)
    if name not in {each.name for each in _in_force(site)}:
        raise WebhookUnknown(f"The config in force names no webhook {name[:64]!r}.")
    with transaction(site.database) as db:
        id_ = outgoing.put_test(db, name, f"{site.epoch}-t{entropy.hex()}", site.id, now)
        site.record("webhook.test", name, now)
    return id_


def still_waits(site: Site, id_: str) -> Delivery | None:
    """The event of that id, where it is not delivered yet."""
    site.require(Permission.WEBHOOKS_READ)
    found = [each for dead in (False, True) for each in outgoing.queue(site.database, dead=dead) if each.id == id_]
    return found[0] if found else None


def queue(site: Site, *, dead: bool) -> list[Delivery]:
    site.require(Permission.WEBHOOKS_READ)
    return outgoing.queue(site.database, dead=dead)


def retry(site: Site, ids: Sequence[str] | None, now: datetime) -> int:
    """Sends dead letters again, and what waits now: those events, or all. How many."""
    site.require(Permission.WEBHOOKS_WRITE)
    with transaction(site.database) as db:
        count = outgoing.retry(db, ids, now.timestamp())
        if count:
            site.record("webhook.retry", f"{count} events", now)
    return count


def _in_force(site: Site) -> tuple[Webhook, ...]:
    return open_config_in_force(site, site.trust()).verified.claims.webhooks


def _listed(site: Site, webhook: Webhook) -> Listed:
    row = site.database.execute(
        "SELECT SUM(dead_at IS NULL) AS waiting, SUM(dead_at IS NOT NULL) AS dead FROM deliveries WHERE address = ?",
        (webhook.name,),
    ).fetchone()
    said = site.database.execute(
        "SELECT said FROM deliveries WHERE address = ? AND said IS NOT NULL ORDER BY seq LIMIT 1", (webhook.name,)
    ).fetchone()
    return Listed(webhook, int(row["waiting"] or 0), int(row["dead"] or 0), said["said"] if said else None)
