"""`/webhooks`: addresses that the config names, and what waits to be sent there."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated

from litestar.params import JSONBody, QueryParameter
from pydantic import Field

from appliance.access.authorise import Permission
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.models import Body, Name, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.errors import WebhookUnknown
from appliance.operations.webhooks import list_webhooks, queue, retry, test_webhook
from appliance.state.outgoing import Delivery
from licensing.document import format_time

Dead = Annotated[bool, QueryParameter(description="Those that were given up.")]


class WebhookTold(Told):
    name: str
    url: str
    events: list[str]
    waiting: int
    dead: int
    said: str | None


class Webhooks(Told):
    webhooks: list[WebhookTold]


class Queued(Told):
    """The gateway sends it; `GET /webhooks/queue` shows it as long as it is not taken."""

    id: str


class EventTold(Told):
    id: str
    address: str
    event: str
    made_at: str
    due_at: str
    attempts: int
    said: str | None
    dead: bool

    @classmethod
    def of(cls, each: Delivery) -> EventTold:
        made, due = (datetime.fromtimestamp(int(at), UTC) for at in (each.made_at, each.due_at))
        return cls(
            id=each.id,
            address=each.address,
            event=each.event,
            made_at=format_time(made),
            due_at=format_time(due),
            attempts=each.attempts,
            said=each.said,
            dead=each.dead_at is not None,
        )


class EventPage(Told):
    items: list[EventTold]
    total: int
    next_offset: int | None


class Retry(Body):
    """null: every dead letter, and all that waits."""

    ids: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=500)] | None
    )


class Again(Told):
    again: int


@route("GET", "/webhooks", Permission.WEBHOOKS_READ, "webhooks list")
def list_webhooks_(desk: OnDesk) -> Webhooks:
    """The webhooks of the config in force, and what waits for each."""
    return Webhooks(webhooks=[WebhookTold(**each.as_dict()) for each in list_webhooks(desk.site)])


@route("POST", "/webhooks/{name:str}/test", Permission.WEBHOOKS_WRITE, "webhooks test", status=201)
def try_webhook(desk: OnDesk, name: Name) -> Queued:
    """Send an event `webhook.test` to one address."""
    return Queued(id=test_webhook(desk.site, name, desk.now, secrets.token_bytes(8)))


@route("GET", "/webhooks/queue", Permission.WEBHOOKS_READ, "webhooks queue")
def list_events(desk: OnDesk, dead: Dead = False, limit: Limit = 100, offset: Offset = 0) -> EventPage:
    """The events that wait to be sent, or those that were given up."""
    return EventPage(**page([EventTold.of(each) for each in queue(desk.site, dead=dead)], limit, offset))


@route("POST", "/webhooks/retry", Permission.WEBHOOKS_WRITE, "webhooks retry")
def retry_events(desk: OnDesk, data: JSONBody[Retry]) -> Again:
    """Send events again: dead letters, or what waits for its next attempt."""
    count = retry(desk.site, data.ids, desk.now)
    if data.ids and not count:
        raise WebhookUnknown(f"There is no event {data.ids[0][:64]!r} in the queue.")
    return Again(again=count)


ROUTES = (list_webhooks_, try_webhook, list_events, retry_events)
