"""Local administrators: made, granted roles, disabled, helped out at the host, removed; their sessions ended.

Promise: nobody gives a role that they do not hold themselves, nor touches somebody who holds more than they do, since
whoever resets another's password could act as them. The last enabled site admin goes only at the host's console.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from appliance.access import administrators, attempts, service_tokens, sessions
from appliance.access.acting import end_sessions
from appliance.access.administrators import Administrator, known_name, recovery_codes
from appliance.access.authorise import Permission
from appliance.access.kept_roles import custom_roles
from appliance.access.password import MODERATE, Cost, hashed, require_good
from appliance.access.roles import (
    SITE_ADMIN,
    Granted,
    find_role,
    grants_of,
    require_grantable,
    require_may_hand_on,
    require_stands_over,
)
from appliance.access.sessions import Session
from appliance.access.totp import SECRET_BYTES, shown_secret, uri
from appliance.errors import AdministratorRefused, AdministratorUnknown
from appliance.operations.sign_in import RandomBytes
from appliance.state.database import transaction
from appliance.state.site import Site


@dataclass(frozen=True, slots=True, repr=False)
class Enrolment:
    """What an administrator needs to sign in besides the password: told once. `uri` is what the picture holds."""

    administrator: Administrator
    secret: str
    uri: str
    recovery_codes: tuple[str, ...]


def create_administrator(
    site: Site,
    name: str,
    password: str,
    roles: Iterable[Granted],
    now: datetime,
    *,
    random: RandomBytes = secrets.token_bytes,
    cost: Cost = MODERATE,
) -> Enrolment:
    """Somebody who may sign in, with these roles.

    Raises AdministratorRefused, RoleUnknown, RoleRefused, NotPermitted.
    """
    site.require_somewhere(Permission.ADMINISTRATORS_WRITE)
    asked = tuple(dict.fromkeys(roles))
    _require_may_grant(site, asked)
    if not asked:
        site.require(Permission.ADMINISTRATORS_WRITE)
    require_good(password, known_name(name))
    made, secret, codes = (
        hashed(password, cost),
        random(SECRET_BYTES),
        recovery_codes(random(administrators.ENTROPY_BYTES)),
    )
    with transaction(site.database) as db:
        administrators.insert(db, site.key, name, made, secret, codes, now)
        for each in asked:
            administrators.put_role(db, name, each, site.actor, now)
        found = administrators.find(db, name)
        site.record("administrator.create", _told(found), now, after=administrators.digest(found))
    return Enrolment(found, shown_secret(secret), uri(secret, name, site.id), codes)


def list_administrators(site: Site) -> list[Administrator]:
    """Those who have a role within what whoever acts may look at, with their roles there; for the whole site all."""
    site.require_somewhere(Permission.ADMINISTRATORS_READ)
    found = [_as_seen(site, each) for each in administrators.list_all(site.database)]
    return [each for each in found if each.roles or site.by.may(Permission.ADMINISTRATORS_READ)]


def find_administrator(site: Site, name: str) -> Administrator:
    """Raises AdministratorUnknown also for one who has no role within what whoever acts may look at."""
    found = next((each for each in list_administrators(site) if each.name == name), None)
    if found is None:
        raise AdministratorUnknown(f"There is no administrator {name[:64]!r}.")
    return found


def grant_role(site: Site, name: str, granted: Granted, now: datetime) -> tuple[Administrator, bool]:
    """The second member says whether anything changed. Raises AdministratorUnknown, RoleUnknown, NotPermitted."""
    site.require_somewhere(Permission.ADMINISTRATORS_WRITE)
    _require_may_grant(site, (granted,))
    with transaction(site.database) as db:
        before = administrators.find(db, name)
        changed = administrators.put_role(db, name, granted, site.actor, now)
        after = administrators.find(db, name)
        if changed:
            site.record(
                "administrator.grant",
                f"{name}: {granted}",
                now,
                before=administrators.digest(before),
                after=administrators.digest(after),
            )
    return _as_seen(site, after), changed


def revoke_role(site: Site, name: str, granted: Granted, now: datetime) -> tuple[Administrator, bool]:
    """The second member says whether anything changed. Raises AdministratorUnknown, AdministratorRefused, NotPermitted.

    A role that this release does not know any more can be taken away by who may hand on everything there.
    """
    site.require_somewhere(Permission.ADMINISTRATORS_WRITE)
    with transaction(site.database) as db:
        held = grants_of((granted,), custom_roles(db))
        require_may_hand_on(site.by, held[0].permissions if held else frozenset(Permission), granted.within)
        before = administrators.find(db, name)
        if granted == Granted(SITE_ADMIN.name):
            _require_another(site, before)
        changed = administrators.drop_role(db, name, granted)
        after = administrators.find(db, name)
        if changed:
            site.record(
                "administrator.revoke",
                f"{name}: {granted}",
                now,
                before=administrators.digest(before),
                after=administrators.digest(after),
            )
    return _as_seen(site, after), changed


def disable_administrator(site: Site, name: str, now: datetime) -> tuple[Administrator, bool]:
    """They sign in no more, and their sessions end. Raises AdministratorUnknown, AdministratorRefused, NotPermitted."""
    with transaction(site.database) as db:
        before = _subordinate(site, name)
        if before.disabled_at is not None:
            return before, False
        _require_another(site, before)
        administrators.put_disabled(db, name, now)
        end_sessions(site, name, now)
        return _changed(site, "disable", before, now), True


def enable_administrator(site: Site, name: str, now: datetime) -> tuple[Administrator, bool]:
    """Raises AdministratorUnknown, NotPermitted."""
    with transaction(site.database) as db:
        before = _subordinate(site, name)
        if before.disabled_at is None:
            return before, False
        administrators.put_disabled(db, name, None)
        return _changed(site, "enable", before, now), True


def reset_administrator(
    site: Site,
    name: str,
    password: str,
    now: datetime,
    *,
    random: RandomBytes = secrets.token_bytes,
    cost: Cost = MODERATE,
) -> Enrolment:
    """A new password, a new secret for the app, new recovery codes; their sessions end, and nothing holds them back.

    Raises AdministratorUnknown, AdministratorRefused, NotPermitted.
    """
    _subordinate(site, name)
    require_good(password, name)
    made = hashed(password, cost)
    with transaction(site.database) as db:
        before = _subordinate(site, name)
        administrators.put_password(db, name, made, now)
        return _enrolled(site, "reset", before, now, random)


def renew_totp(site: Site, name: str, now: datetime, *, random: RandomBytes = secrets.token_bytes) -> Enrolment:
    """A new secret for the app and new recovery codes; the password stays, sessions end.

    Raises AdministratorUnknown, NotPermitted.
    """
    with transaction(site.database):
        return _enrolled(site, "totp", _subordinate(site, name), now, random)


def remove_administrator(site: Site, name: str, now: datetime) -> None:
    """With roles, sessions and the service tokens that they made; what they did stays in the trail.

    Raises AdministratorUnknown, AdministratorRefused, NotPermitted.
    """
    with transaction(site.database) as db:
        before = _subordinate(site, name)
        _require_another(site, before)
        end_sessions(site, name, now)
        # Somebody of the same name who comes later is somebody else.
        for each in service_tokens.list_all(db):
            if each.created_by == name and each.revoked_at is None:
                service_tokens.revoke(db, each, now)
                site.record("token.revoke", f"{each.id} {each.name}", now)
        administrators.delete(db, name)
        site.record("administrator.remove", _told(before), now, before=administrators.digest(before))


def list_sessions(site: Site, now: datetime) -> list[Session]:
    """Those that last, of administrators whom whoever acts may look at, and one's own."""
    own = administrators.name_of(site.by)
    if own is None:
        site.require_somewhere(Permission.ADMINISTRATORS_READ)
    seen = {own}
    if site.by.scopes(Permission.ADMINISTRATORS_READ):
        seen |= {each.name for each in list_administrators(site)}
    return [each for each in sessions.list_all(site.database) if each.administrator in seen and each.lasts(now)]


def end_session(site: Site, session: str, now: datetime) -> None:
    """One's own, or that of somebody whom whoever acts stands over. Raises SessionUnknown, NotPermitted."""
    own = administrators.name_of(site.by)
    if own is None:
        site.require_somewhere(Permission.ADMINISTRATORS_WRITE)
    with transaction(site.database) as db:
        found = sessions.find(db, session)
        if found.administrator != own:
            _subordinate(site, found.administrator)
        sessions.end(db, found)
        site.record("session.end", f"{found.id} of {found.administrator}", now)


def _enrolled(site: Site, how: str, before: Administrator, now: datetime, random: RandomBytes) -> Enrolment:
    db, name = site.database, before.name
    secret, codes = random(SECRET_BYTES), recovery_codes(random(administrators.ENTROPY_BYTES))
    administrators.put_totp(db, site.key, name, secret, now)
    administrators.put_codes(db, site.key, name, codes)
    attempts.forget_administrator(db, site.key.derive(b"ao sign-in buckets"), name)
    end_sessions(site, name, now)
    return Enrolment(_changed(site, how, before, now), shown_secret(secret), uri(secret, name, site.id), codes)


def _changed(site: Site, how: str, before: Administrator, now: datetime) -> Administrator:
    after = administrators.find(site.database, before.name)
    site.record(
        f"administrator.{how}",
        before.name,
        now,
        before=administrators.digest(before),
        after=administrators.digest(after),
    )
    return after


def _subordinate(site: Site, name: str) -> Administrator:
    """Raises AdministratorUnknown, NotPermitted."""
    site.require_somewhere(Permission.ADMINISTRATORS_WRITE)
    found = administrators.find(site.database, name)
    roles = custom_roles(site.database)
    require_stands_over(site.by, grants_of(found.roles, roles))
    return found


def _require_may_grant(site: Site, asked: tuple[Granted, ...]) -> None:
    roles = custom_roles(site.database)
    for each in asked:
        role = find_role(each.role, roles)
        require_grantable(role, each.within)
        require_may_hand_on(site.by, role.permissions, each.within)


def _require_another(site: Site, going: Administrator) -> None:
    """Raises AdministratorRefused where this is the last enabled site admin, unless it is done at the host."""
    if site.by.at_host or not _is_site_admin(going):
        return
    if not any(each.name != going.name and _is_site_admin(each) for each in administrators.list_all(site.database)):
        raise AdministratorRefused(
            f"{going.name} is the last site admin who can sign in.",
            remedy="Grant the role to somebody else first, or do this at the host's console.",
        )


def _is_site_admin(administrator: Administrator) -> bool:
    return administrator.disabled_at is None and Granted(SITE_ADMIN.name) in administrator.roles


def _as_seen(site: Site, administrator: Administrator) -> Administrator:
    roles = tuple(each for each in administrator.roles if site.by.may(Permission.ADMINISTRATORS_READ, each.within))
    return replace(administrator, roles=roles)


def _digests(before: Administrator, after: Administrator) -> dict[str, str]:
    return {"before": administrators.digest(before), "after": administrators.digest(after)}


def _told(administrator: Administrator) -> str:
    roles = ", ".join(map(str, administrator.roles))
    return f"{administrator.name} ({roles or 'no role'})"
