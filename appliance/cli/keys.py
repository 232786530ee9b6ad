"""`ao keys create|list|show|change|pause|resume|rotate|revoke|import`."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from appliance.access.key_import import SOURCES, Home, Source
from appliance.access.keys import CHANNELS, ApiKey, models_in, networks_in
from appliance.cli.face import Face, Result, command, table
from appliance.errors import KeyRefused
from appliance.operations.key_import import find_keys, import_keys
from appliance.operations.keys import (
    change_key,
    create_key,
    find_key,
    list_keys,
    pause_key,
    resume_key,
    revoke_key,
    rotate_key,
)
from licensing.document import format_time

_DAY = click.DateTime(["%Y-%m-%d"])


def add_to(main: click.Group) -> None:
    @main.group("keys")
    def group() -> None:
        """API keys for apps."""

    _making(group)
    _looking(group)
    _living(group)
    _ending(group)


def _making(group: click.Group) -> None:
    @command(group, "create", example="ao keys create --name billing-bot --team payments --model 'acme-*'")
    @click.option("--name", required=True, help="What or who uses it.")
    @click.option("--org", default="default", show_default=True)
    @click.option("--team", default="default", show_default=True)
    @click.option("--channel", type=click.Choice(CHANNELS), default="prod", show_default=True)
    @click.option("--expires", type=_DAY, help="The day (UTC) at whose start it ends.")
    @click.option("--model", "models", multiple=True, help="A model, or a pattern, that it may use. [default: all]")
    @click.option("--from", "networks", multiple=True, help="A network that it may be used from. [default: any]")
    def create(
        face: Face,
        *,
        name: str,
        org: str,
        team: str,
        channel: str,
        expires: datetime | None,
        models: tuple[str, ...],
        networks: tuple[str, ...],
    ) -> Result:
        """Make a key. It is shown now and never again."""
        with face.site() as site:
            made = create_key(
                site,
                name=name,
                org=org,
                team=team,
                expires_at=_at(expires),
                now=face.now,
                entropy=secrets.token_bytes(32),
                models=models or None,
                networks=networks or None,
                channel=channel,
            )
        return Result(
            {**_shown(made.key, face.now), "key": made.secret},
            [made.secret, f"This is the only time that {made.key.id} is shown; store it now."],
        )

    @command(group, "import", example="ao keys import litellm-keys.json --as litellm --yes")
    @click.argument("file", type=click.Path(path_type=Path))
    @click.option("--as", "source", type=click.Choice(SOURCES), required=True, help="What the file is an export of.")
    @click.option("--org", default="default", show_default=True, help="For keys whose export names none.")
    @click.option("--team", default="default", show_default=True, help="For keys whose export names none.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def import_(face: Face, *, file: Path, source: Source, org: str, team: str, yes: bool) -> Result:
        """Take over keys from another gateway, so that apps keep the keys that they have. All of a file, or none."""
        found = find_keys(file, source, Home(org, team), face.now)
        notes = list(found.notes)
        if not yes:
            lines = [f"{len(found.keys)} keys would be taken over.", *notes]
            if face.as_json or not found.keys:
                return Result({"imported": [], "would_import": len(found.keys), "notes": notes}, lines, 1)
            for line in lines:
                click.echo(line, err=True)
            if not click.confirm("Take them over?", err=True):
                return Result({"imported": [], "notes": notes}, ["Nothing was changed."], 1)
        with face.site() as site:
            taken = import_keys(site, found, source, face.now)
        data = {"imported": [_shown(key, face.now) for key in taken], "notes": notes}
        return Result(data, [f"{len(taken)} keys were taken over; apps go on with the keys that they have.", *notes])


def _looking(group: click.Group) -> None:
    @command(group, "list", example="ao keys list")
    def list_(face: Face) -> Result:
        """List all keys, without their secrets."""
        with face.site() as site:
            rows = [_shown(key, face.now) for key in list_keys(site)]
        header = ("id", "prefix", "name", "org", "team", "state", "last_used", "created_at")
        return Result({"keys": rows}, table(header, [[row[name] or "–" for name in header] for row in rows]))

    @command(group, "show", example="ao keys show billing-bot")
    @click.argument("key")
    def show(face: Face, *, key: str) -> Result:
        """Show all that is known of a key, which is not the key itself."""
        with face.site() as site:
            told = _shown(find_key(site, key), face.now)
        return Result(told, [f"{name}: {_words(value)}" for name, value in told.items()])


def _living(group: click.Group) -> None:
    @command(group, "change", example="ao keys change billing-bot --team payments --from 10.20.0.0/16")
    @click.argument("key")
    @click.option("--org")
    @click.option("--team")
    @click.option("--channel", type=click.Choice(CHANNELS))
    @click.option("--expires", type=_DAY, help="The day (UTC) at whose start it ends.")
    @click.option("--no-expiry", is_flag=True)
    @click.option("--model", "models", multiple=True, help="A model, or a pattern, that it may use from now on.")
    @click.option("--all-models", is_flag=True)
    @click.option("--from", "networks", multiple=True, help="A network that it may be used from, from now on.")
    @click.option("--from-anywhere", is_flag=True)
    def change(
        face: Face,
        *,
        key: str,
        org: str | None,
        team: str | None,
        channel: str | None,
        expires: datetime | None,
        no_expiry: bool,
        models: tuple[str, ...],
        all_models: bool,
        networks: tuple[str, ...],
        from_anywhere: bool,
    ) -> Result:
        """Move a key, or change until when, for what and from where it may be used. What is not named stays."""
        named = (("org", org), ("team", team), ("channel", channel))
        new: dict[str, Any] = {name: value for name, value in named if value is not None}
        asked = (
            ("expires_at", _at(expires), no_expiry),
            ("models", models_in(models) if models else None, all_models),
            ("networks", networks_in(networks) if networks else None, from_anywhere),
        )
        for name, value, none in asked:
            if value is not None and none:
                raise KeyRefused("Two of the options contradict each other.", where=f"--{name.removesuffix('_at')}")
            if value is not None or none:
                new[name] = value
        if not new:
            raise KeyRefused("Nothing is named that is to change.", remedy="See ao keys change --help.")
        with face.site() as site:
            changed, changes = change_key(site, key, face.now, **new)
        return Result({**_shown(changed, face.now), "changes": changes}, changes or ["Nothing was changed."])

    @command(group, "pause", example="ao keys pause billing-bot --because 'seen in a public repository'")
    @click.argument("key")
    @click.option("--because", required=True, help="For the audit trail, and for whoever wonders.")
    def pause(face: Face, *, key: str, because: str) -> Result:
        """Let a key open nothing until it is resumed. Its next request is refused."""
        with face.site() as site:
            paused, changed = pause_key(site, key, because, face.now)
        word = "is paused" if changed else "was paused already"
        return Result({**_shown(paused, face.now), "changed": changed}, [f"{paused.id} ({paused.name}) {word}."])

    @command(group, "resume", example="ao keys resume billing-bot")
    @click.argument("key")
    def resume(face: Face, *, key: str) -> Result:
        """Let a paused key work again."""
        with face.site() as site:
            resumed, changed = resume_key(site, key, face.now)
        word = "works again" if changed else "was not paused"
        return Result({**_shown(resumed, face.now), "changed": changed}, [f"{resumed.id} ({resumed.name}) {word}."])

    @command(group, "rotate", example="ao keys rotate billing-bot --overlap-hours 72")
    @click.argument("key")
    @click.option("--overlap-hours", type=click.IntRange(0, 24 * 366), default=24, show_default=True)
    def rotate(face: Face, *, key: str, overlap_hours: int) -> Result:
        """Make a key in the place of another, which ends after the overlap. The new one is shown now, never again."""
        until = face.now + timedelta(hours=overlap_hours)
        with face.site() as site:
            made = rotate_key(site, key, until, face.now, secrets.token_bytes(32))
        ends = format_time(until)
        told = f"This is the only time that {made.key.id} is shown. The old key ends at {ends} at the latest."
        return Result({**_shown(made.key, face.now), "key": made.secret}, [made.secret, told])


def _ending(group: click.Group) -> None:
    @command(group, "revoke", example="ao keys revoke key_1a2b3c4d5e6f --yes")
    @click.argument("key")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def revoke(face: Face, *, key: str, yes: bool) -> Result:
        """End a key for good, by its id, prefix or name. Its next request is refused."""
        with face.site() as site:
            found = find_key(site, key)
            if not yes and (face.as_json or not click.confirm(f"Revoke {found.id} ({found.name}) for good?")):
                return Result({"revoked": False}, ["Nothing was changed."], 1)
            revoked, changed = revoke_key(site, found.id, face.now)
        word = "is revoked" if changed else "was revoked already"
        return Result({**_shown(revoked, face.now), "changed": changed}, [f"{revoked.id} ({revoked.name}) {word}."])


def _at(day: datetime | None) -> datetime | None:
    return day.replace(tzinfo=UTC) if day else None


def _words(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _shown(key: ApiKey, now: datetime) -> dict[str, Any]:
    def time(at: datetime | None) -> str | None:
        return format_time(at) if at else None

    return {
        "id": key.id,
        "prefix": f"{key.prefix}…",
        "name": key.name,
        "org": key.org,
        "team": key.team,
        "channel": key.channel,
        "state": key.state(now),
        "created_at": format_time(key.created_at),
        "expires_at": time(key.expires_at),
        "paused_because": key.paused_because,
        "models": list(key.models) if key.models is not None else None,
        "networks": [str(each) for each in key.networks] if key.networks is not None else None,
        "last_used": time(key.last_used),
        "successor": key.successor,
    }
