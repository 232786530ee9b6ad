"""`ao webhooks list|test|queue|retry`."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import click

from appliance.cli.face import Face, Result, command, table
from appliance.errors import WebhookUnknown
from appliance.operations.webhooks import list_webhooks, queue, retry, still_waits, test_webhook
from appliance.state.outgoing import Delivery
from licensing.document import format_time


def add_to(main: click.Group) -> None:
    @main.group("webhooks")
    def group() -> None:
        """Addresses that the config names, and that are told of events."""

    @command(group, "list", example="ao webhooks list")
    def list_(face: Face) -> Result:
        """List the webhooks of the config in force, and what waits for each."""
        with face.site() as site:
            rows = [each.as_dict() for each in list_webhooks(site)]
        header = ("name", "url", "events", "waiting", "dead", "said")
        told = [[", ".join(row["events"]) if name == "events" else row[name] or "–" for name in header] for row in rows]
        return Result({"webhooks": rows}, table(header, told) if rows else ["The config names no webhooks."])

    @command(group, "test", example="ao webhooks test siem")
    @click.argument("name")
    @click.option("--wait", type=click.IntRange(0, 600), default=10, show_default=True, help="Seconds to wait for it.")
    def test(face: Face, *, name: str, wait: int) -> Result:
        """Send an event `webhook.test` to one address; the running gateway sends it. Exit code 1: not taken yet."""
        with face.site() as site:
            id_ = test_webhook(site, name, face.now, secrets.token_bytes(8))
            waits = still_waits(site, id_)
            for _ in range(wait):
                if waits is None:
                    break
                face.next_second()
                waits = still_waits(site, id_)
        if waits is None:
            return Result({"id": id_, "delivered": True}, [f"{name} has taken {id_}."])
        why = waits.said or "nobody has sent it; is ao serve running?"
        return Result({"id": id_, "delivered": False, "said": why}, [f"{name} has not taken {id_} yet: {why}"], 1)

    @command(group, "queue", example="ao webhooks queue --dead")
    @click.option("--dead", is_flag=True, help="Those that were given up.")
    def queue_(face: Face, *, dead: bool) -> Result:
        """Show the events that wait to be sent, or those that were given up."""
        with face.site() as site:
            rows = [_shown(each) for each in queue(site, dead=dead)]
        header = ("id", "address", "event", "made_at", "attempts", "said")
        lines = table(header, [[row[name] or "–" for name in header] for row in rows]) if rows else ["Nothing waits."]
        return Result({"events": rows}, lines)

    @command(group, "retry", example="ao webhooks retry --all")
    @click.argument("ids", nargs=-1)
    @click.option("--all", "every", is_flag=True, help="Every dead letter, and all that waits.")
    def retry_(face: Face, *, ids: tuple[str, ...], every: bool) -> Result:
        """Send events again: dead letters, or what waits for its next attempt."""
        if bool(ids) == every:
            raise click.UsageError("Name events, or --all.")
        with face.site() as site:
            count = retry(site, None if every else ids, face.now)
        if ids and not count:
            raise WebhookUnknown(
                f"There is no event {ids[0][:64]!r} in the queue.", remedy="List them: ao webhooks queue [--dead]."
            )
        return Result({"again": count}, [f"{count} events are sent again."])


def _shown(each: Delivery) -> dict[str, object]:
    def time(seconds: float) -> str:
        return format_time(datetime.fromtimestamp(int(seconds), UTC))

    return {
        "id": each.id,
        "address": each.address,
        "event": each.event,
        "made_at": time(each.made_at),
        "due_at": time(each.due_at),
        "attempts": each.attempts,
        "said": each.said,
        "dead": each.dead_at is not None,
    }
