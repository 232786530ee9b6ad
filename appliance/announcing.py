"""Telling the webhooks that the config names what happens at this site: from the loop that keeps the books.

What was told of is given to the addresses in the state file; the sender's own thread does the rest. Where no config can
be believed, or a secret is not to be had, nobody is told, and what was told of before waits.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from appliance.config.in_force import open_config_in_force
from appliance.config.secrets import SecretLookup, resolve_webhook
from appliance.config.webhooks_part import Webhook
from appliance.errors import ConfigMissing
from appliance.observe.events import event_of
from appliance.state.database import transaction
from appliance.state.outgoing import Wanting, enqueue, enqueue_once, fan_out
from appliance.state.site import DATABASE, Site
from appliance.tls.described import WARN_DAYS
from appliance.tls.material import Material
from appliance.webhooks import Address, Sender
from licensing.document import format_time
from licensing.errors import Refusal
from licensing.standing import Rung, Standing

log = logging.getLogger("ao.serve")

EXPIRING_DAYS = (30, 14, 7, 3, 1)


@dataclass(frozen=True, slots=True)
class Named:
    """The webhooks of the config in force: those that can be sent to, who wants what, and for how many seconds each
    goes on trying."""

    addresses: tuple[Address, ...] = ()
    wanting: tuple[Wanting, ...] = ()
    give_up: Mapping[str, float] = field(default_factory=dict)


class Announcer:
    """One for the site. `look` in each round of the books; `follow` when the state has changed."""

    def __init__(self, site: Site, secrets: SecretLookup) -> None:
        self._site = site
        self._secrets = secrets
        self._named: Named | None = None
        self._sender = Sender(site.folder / DATABASE)

    def follow(self) -> None:
        """Takes up what the config in force says now."""
        self._named = named_in(self._site, self._secrets)
        if self._named is None:
            self._sender.send_to((), None)
        else:
            self._sender.send_to(self._named.addresses, self._named.give_up)

    def look(self, now: datetime) -> None:
        """Gives what was told of since the last time to those who want it, if it can be said who that is."""
        if self._named is not None:
            fan_out(self._site.database, self._site.id, self._site.epoch, self._named.wanting, event_of, now)

    def stands(self, before: Standing, standing: Standing, now: datetime) -> None:
        """Tells of the ladder's rung, of the licence's end and of reports that are due."""
        db = self._site.database
        if standing.rung is not before.rung:
            told = {"before": before.rung.value, "rung": standing.rung.value, "sentence": standing.sentence}
            with transaction(db):
                enqueue(db, "licence.rung_changed", told | {"days_left": standing.days_left}, now)
        self._tell_of_the_end(standing, now)
        if standing.report_due is not None:
            overdue = standing.rung is Rung.USAGE_OVERDUE
            sentence = standing.sentence if overdue else "A usage report is due soon."
            due = {"due": format_time(standing.report_due), "overdue": overdue, "sentence": sentence}
            enqueue_once(db, "usage due", _midnight_after(now).timestamp(), "usage.overdue", due, now)

    def _tell_of_the_end(self, standing: Standing, now: datetime) -> None:
        licence, left = standing.licence, standing.days_left
        if licence is None or left is None or not 0 <= left <= EXPIRING_DAYS[0]:
            return
        step = min(each for each in EXPIRING_DAYS if each >= left)
        name = f"licence {licence.serial} ends in {step} days"
        told = {"days_left": left, "expires_at": format_time(licence.expires_at)}
        enqueue_once(self._site.database, name, (now + timedelta(days=60)).timestamp(), "licence.expiring", told, now)

    def presents(self, material: Material | None, now: datetime) -> None:
        """Tells of the end of the listener's certificate, in the log too."""
        if material is None:
            return
        left = (material.ends - now).days
        if left > WARN_DAYS:
            return
        step = min((each for each in EXPIRING_DAYS if each >= left), default=0) if left >= 0 else 0
        name = f"certificate {material.fingerprint} ends in {step} days"
        told = {"days_left": left, "expires_at": format_time(material.ends), "sha256": material.fingerprint}
        until = (now + timedelta(days=60)).timestamp()
        if enqueue_once(self._site.database, name, until, "certificate.expiring", told, now):
            log.warning(
                "the listener's certificate %s on %s: put a new one in its place, then run ao tls reload",
                "ends" if left >= 0 else "has ended",
                format_time(material.ends),
            )

    def stop(self) -> None:
        self._sender.stop()


def named_in(site: Site, secrets: SecretLookup) -> Named | None:
    """None where the config in force cannot be believed. A webhook whose secret is not to be had is told of in the log,
    and keeps its queue."""
    try:
        webhooks = open_config_in_force(site, site.trust()).verified.claims.webhooks
    except ConfigMissing:
        return Named()
    except Refusal:
        return None
    addresses = []
    for each in webhooks:
        try:
            addresses.append(address_of(site, each, secrets))
        except Refusal as refusal:
            log.warning("webhook %s: %s", each.name, refusal)
    return Named(
        tuple(addresses),
        tuple(Wanting(each.name, each.events) for each in webhooks),
        {each.name: each.give_up_days * 86_400.0 for each in webhooks},
    )


def address_of(site: Site, webhook: Webhook, secrets: SecretLookup) -> Address:
    """Raises SecretMissing, SealRefused."""
    secret = resolve_webhook(webhook, secrets, site.id, site.key.unseal)
    give_up = webhook.give_up_days * 86_400.0
    return Address(webhook.name, webhook.url, secret.encode(), webhook.ca, webhook.timeout_seconds, give_up)


def _midnight_after(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
