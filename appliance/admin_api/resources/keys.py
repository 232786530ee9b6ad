"""`/keys`: API keys for apps. A key's secret is in the answer that makes it and nowhere else."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any

from litestar.params import FromQuery, JSONBody, QueryParameter
from pydantic import Field

from appliance.access.authorise import Permission
from appliance.access.key_import import Home, Source
from appliance.access.keys import ApiKey, Channel, NewKey, models_in, networks_in
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.errors import CallMalformed
from appliance.admin_api.resources.caps import CapsChanged, CountedCaps, Uses, caps_changed, caps_in, uses_told
from appliance.admin_api.resources.models import Body, Label, Moment, Name, Networks, Told, given, moment_in
from appliance.admin_api.routes import OnDesk, route
from appliance.operations.key_import import find_keys_in, import_keys
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
from appliance.operations.teams import place_of_key
from licensing.document import format_time

_Models = Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=256)]


class NewKeyAsked(Body):
    """`models`, `networks`: left out, it may be used for all and from anywhere."""

    name: Label
    org: Label = "default"
    team: Label = "default"
    channel: Channel = "prod"
    expires_at: Moment | None = None
    models: _Models | None = None
    networks: Networks | None = None


class KeyChange(Body):
    """What is left out stays. null: no expiry, all models, from anywhere."""

    org: Label | None = None
    team: Label | None = None
    channel: Channel | None = None
    expires_at: Moment | None = None
    models: _Models | None = None
    networks: Networks | None = None


class Because(Body):
    because: Annotated[str, Field(min_length=1, max_length=200)]


class Overlap(Body):
    """How long the old key goes on working; 0 ends it at once."""

    overlap_hours: Annotated[int, Field(ge=0, le=24 * 366)] = 24


class Key(Told):
    """All that is known of a key, which is not the key itself."""

    id: str
    prefix: str
    name: str
    org: str
    team: str
    channel: str
    state: str
    created_at: str
    expires_at: str | None
    paused_because: str | None
    models: list[str] | None
    networks: list[str] | None
    last_used: str | None
    successor: str | None

    @classmethod
    def of(cls, key: ApiKey, now: datetime) -> Key:
        return cls(**_told(key, now))


class MadeKey(Key):
    """`key` is the key itself, told this once."""

    key: str

    @classmethod
    def made(cls, made: NewKey, now: datetime) -> MadeKey:
        return cls(**_told(made.key, now), key=made.secret)


class KeyPage(Told):
    items: list[Key]
    total: int
    next_offset: int | None


class ChangedKey(Told):
    """`changes` in words; none where it was so already."""

    key: Key
    changes: list[str]


class TakenOver(Told):
    imported: list[Key]
    notes: list[str]


@route("GET", "/keys", Permission.KEYS_READ, "keys list")
def list_keys_(desk: OnDesk, limit: Limit = 100, offset: Offset = 0) -> KeyPage:
    """The keys of the orgs and teams that the caller may look at."""
    return KeyPage(**page([Key.of(each, desk.now) for each in list_keys(desk.site)], limit, offset))


@route("POST", "/keys", Permission.KEYS_WRITE, "keys create", status=201)
def create_key_(desk: OnDesk, data: JSONBody[NewKeyAsked]) -> MadeKey:
    """Make a key. It is told in this answer and never again."""
    made = create_key(
        desk.site,
        name=data.name,
        org=data.org,
        team=data.team,
        expires_at=moment_in(data.expires_at, "expires_at") if data.expires_at else None,
        now=desk.now,
        entropy=secrets.token_bytes(32),
        models=data.models,
        networks=data.networks,
        channel=data.channel,
    )
    return MadeKey.made(made, desk.now)


@route("GET", "/keys/{key:str}", Permission.KEYS_READ, "keys show")
def show_key(desk: OnDesk, key: Name) -> Key:
    """One key, by its id, prefix or name."""
    return Key.of(find_key(desk.site, key), desk.now)


@route("PATCH", "/keys/{key:str}", Permission.KEYS_WRITE, "keys change")
def change_key_(desk: OnDesk, key: Name, data: JSONBody[KeyChange]) -> ChangedKey:
    """Move a key, or change until when, for what and from where it may be used."""
    new = given(data)
    if not new:
        raise CallMalformed("Nothing is named that is to change.")
    for name in ("org", "team", "channel"):
        if name in new and new[name] is None:
            raise CallMalformed(f"{name} cannot be null.")
    if new.get("expires_at") is not None:
        new["expires_at"] = moment_in(new["expires_at"], "expires_at")
    readers: tuple[tuple[str, Any], ...] = (("models", models_in), ("networks", networks_in))
    for name, read in readers:
        if name in new:
            new[name] = read(new[name])
    changed, changes = change_key(desk.site, key, desk.now, **new)
    return ChangedKey(key=Key.of(changed, desk.now), changes=changes)


@route("POST", "/keys/{key:str}/pause", Permission.KEYS_WRITE, "keys pause")
def pause_key_(desk: OnDesk, key: Name, data: JSONBody[Because]) -> Key:
    """Let a key open nothing until it is resumed."""
    return Key.of(pause_key(desk.site, key, data.because, desk.now)[0], desk.now)


@route("POST", "/keys/{key:str}/resume", Permission.KEYS_WRITE, "keys resume")
def resume_key_(desk: OnDesk, key: Name) -> Key:
    """Let a paused key work again."""
    return Key.of(resume_key(desk.site, key, desk.now)[0], desk.now)


@route("POST", "/keys/{key:str}/rotate", Permission.KEYS_WRITE, "keys rotate", asks_twice=True, status=201)
def rotate_key_(desk: OnDesk, key: Name, data: JSONBody[Overlap]) -> MadeKey:
    """Make a key in the place of another, which ends after the overlap. The new one is told this once."""
    found = find_key(desk.site, key, Permission.KEYS_WRITE)
    desk.agree(
        f"{found.id} ({found.name}) of {found.org}/{found.team} would get a successor, and end after "
        f"{data.overlap_hours} hours."
    )
    until = desk.now + timedelta(hours=data.overlap_hours)
    return MadeKey.made(rotate_key(desk.site, found.id, until, desk.now, secrets.token_bytes(32)), desk.now)


@route("DELETE", "/keys/{key:str}", Permission.KEYS_WRITE, "keys revoke", asks_twice=True)
def revoke_key_(desk: OnDesk, key: Name) -> Key:
    """End a key for good. Its next request is refused."""
    found = find_key(desk.site, key, Permission.KEYS_WRITE)
    desk.agree(f"{found.id} ({found.name}) of {found.org}/{found.team} would be revoked for good.")
    return Key.of(revoke_key(desk.site, found.id, desk.now)[0], desk.now)


@route("GET", "/keys/{key:str}/used", Permission.KEYS_READ, "keys used")
def used_of_key(desk: OnDesk, key: Name) -> Uses:
    """A key's caps, and how much of each is used up now."""
    return uses_told(desk, place_of_key(desk.site, key))


@route("PATCH", "/keys/{key:str}/caps", Permission.CAPS_WRITE, "keys limit", besides=Permission.KEYS_READ)
def limit_key(desk: OnDesk, key: Name, data: JSONBody[CountedCaps]) -> CapsChanged:
    """Cap what a key may use up; what is left out stays, null takes a cap away."""
    return caps_changed(desk, place_of_key(desk.site, key), caps_in(data))


@route(
    "POST",
    "/keys/import",
    Permission.KEYS_WRITE,
    "keys import",
    asks_twice=True,
    document="an export of another gateway's keys (at most 1 MiB; larger ones at the command line)",
    status=201,
)
def import_keys_(
    desk: OnDesk,
    source: FromQuery[Source],
    org: Annotated[str, QueryParameter(min_length=1, max_length=64)] = "default",
    team: Annotated[str, QueryParameter(min_length=1, max_length=64)] = "default",
) -> TakenOver:
    """Take over keys from another gateway, so that apps keep the keys that they have. All of a file, or none."""
    found = find_keys_in(desk.call.body, source, Home(org, team), desk.now, file="the body")
    for org_and_team in {(each.org, each.team) for each in found.keys}:
        desk.site.require(Permission.KEYS_WRITE, *org_and_team)
    desk.agree("\n".join([f"{len(found.keys)} keys would be taken over.", *found.notes]))
    taken = import_keys(desk.site, found, source, desk.now)
    return TakenOver(imported=[Key.of(each, desk.now) for each in taken], notes=list(found.notes))


def _told(key: ApiKey, now: datetime) -> dict[str, Any]:
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
        "models": None if key.models is None else list(key.models),
        "networks": None if key.networks is None else [str(each) for each in key.networks],
        "last_used": time(key.last_used),
        "successor": key.successor,
    }


ROUTES = (
    list_keys_,
    create_key_,
    show_key,
    change_key_,
    pause_key_,
    resume_key_,
    rotate_key_,
    revoke_key_,
    used_of_key,
    limit_key,
    import_keys_,
)
