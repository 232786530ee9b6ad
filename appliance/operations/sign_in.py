"""Signing in and out, and who a session's or service token belongs to: what every call of an administrator begins with.

Promise: a refused sign-in says the same and takes the same whatever was wrong; attempts are counted before they are
looked at; nobody outside can hold an administrator back for good. See access/ADMINISTRATORS.md for the argument.

These operations ask for no permission: they are how somebody comes to have any.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final, TypeVar

from appliance.access import administrators, attempts, service_tokens, sessions
from appliance.access.acting import end_sessions, maker_of, may_be_used, principal_of, session_key, token_key
from appliance.access.attempts import Origin
from appliance.access.authorise import Principal
from appliance.access.backoff import FREE
from appliance.access.keys import Network
from appliance.access.password import LONGEST_BYTES, MODERATE, Cost, hashed, is_behind, is_password, require_good
from appliance.access.sessions import Session
from appliance.access.totp import SECRET_BYTES, accepted_step, step_at
from appliance.errors import (
    AdministratorRefused,
    NotPermitted,
    NotSignedIn,
    SignInHeldBack,
    SignInRefused,
    StateUnwritable,
)
from appliance.observe.refused_sign_ins import note_refused, tell_uncounted
from appliance.state.database import transaction
from appliance.state.site import Site

_NOBODY: Final = "nobody"
_REFUSED: Final = "The name, the password or the code is not right."

RandomBytes = Callable[[int], bytes]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What somebody signs in with. `code` is the app's, or a recovery code."""

    name: str
    password: str
    code: str


@dataclass(frozen=True, slots=True, repr=False)
class SignedIn:
    """A session that has begun; `token` is told now and never again."""

    token: str
    session: Session
    principal: Principal
    codes_left: int


@dataclass(frozen=True, slots=True)
class SignedInAs:
    """Who a token belongs to. `credential` names the session or service token, `networks` from where a service token
    may be used (None: from everywhere), `signed`: each call must be signed as well."""

    principal: Principal
    credential: str
    networks: tuple[Network, ...] | None = None
    signed: bool = False


def sign_in(
    site: Site,
    given: Credentials,
    origin: Origin,
    now: datetime,
    *,
    random: RandomBytes = secrets.token_bytes,
    cost: Cost = MODERATE,
) -> SignedIn:
    """Begins a session, always a new one. Raises SignInRefused, SignInHeldBack."""

    def again(stored: str) -> str | None:
        return given.password if is_behind(stored, cost) else None

    def begin(name: str, made: str | None) -> SignedIn:
        if made is not None:
            administrators.put_password(site.database, name, made, None)
        return _begin(site, name, origin, now, random)

    outcome = _looked_at(site, given, origin, now, cost, again, begin)
    tell_uncounted(replace(site, by=Principal(_NOBODY, (), origin.told)), now)
    return outcome


def change_own_password(
    site: Site,
    given: Credentials,
    new: str,
    origin: Origin,
    now: datetime,
    *,
    cost: Cost = MODERATE,
) -> None:
    """A new password for whoever knows the old one and has a code; their sessions end.

    It is held back and refused as signing in is. Raises AdministratorRefused, SignInRefused, SignInHeldBack.
    """
    require_good(new, given.name)
    if new == given.password:
        raise AdministratorRefused("The new password is the old one.")

    def change(name: str, made: str | None) -> None:
        if made is None:
            raise ValueError("a new password was to be hashed")
        before = administrators.find(site.database, name)
        administrators.put_password(site.database, name, made, now)
        after = administrators.find(site.database, name)
        acting = replace(site, by=principal_of(site, after, origin))
        ended = {"sessions_ended": end_sessions(acting, name, now)}
        digests = administrators.digest(before), administrators.digest(after)
        acting.record("administrator.password", name, now, before=digests[0], after=digests[1], detail=ended)

    _looked_at(site, given, origin, now, cost, lambda _: new, change)


def sign_out(site: Site, credential: str, now: datetime) -> bool:
    """Ends the session that a call came with. Whether it was still there."""
    with transaction(site.database) as db:
        found = next((each for each in sessions.list_all(db) if each.id == credential), None)
        if found is None or not sessions.end(db, found):
            return False
        site.record("session.end", f"{found.id} of {found.administrator}", now)
    return True


def who_calls(site: Site, token: str, origin: Origin, now: datetime) -> SignedInAs:
    """Whose token this is, with what they may do now. Raises NotSignedIn, and NotPermitted for a service token that is
    used from elsewhere than it may be."""
    if token.startswith(sessions.PREFIX):
        return _of_session(site, token, origin, now)
    if token.startswith(service_tokens.PREFIX):
        return _of_service(site, token, origin, now)
    raise NotSignedIn("The token opens nothing here.")


def _looked_at(
    site: Site,
    given: Credentials,
    origin: Origin,
    now: datetime,
    cost: Cost,
    to_hash: Callable[[str], str | None],
    then: Callable[[str, str | None], T],
) -> T:
    """Counts the attempt, looks at it, and does `then` in the transaction that uses the code up.

    Where all is right, `to_hash` says for the hash that is kept which password is to be hashed: before the transaction,
    which others wait for.
    """
    db, key = site.database, site.key.derive(b"ao sign-in buckets")
    nobody = replace(site, by=Principal(_NOBODY, (), origin.told))
    name = given.name.casefold()
    there = name if administrators.secrets_of(db, site.key, name) is not None else None
    known = attempts.is_known(db, name, origin, now)
    counted = attempts.buckets(key, name, origin, known=known)
    until = attempts.held(db, counted, now)
    if until > now:
        _held_back(nobody, there, until, now)
    with _one_at_a_time(site, "sign-in-known.lock" if known else "sign-in.lock"):
        with transaction(db):
            until = attempts.held(db, counted, now)
            failures = 0 if until > now else attempts.count(db, counted, now)
        if until > now:
            _held_back(nobody, there, until, now)
        right, used = _check(site, name, given, now, cost)
        password = to_hash(used.stored) if right else None
        made = hashed(password, cost) if password is not None else None
        with transaction(db):
            if right and _use_up(site, name, used, given, now):
                attempts.forget(db, counted)
                attempts.note_known(db, name, origin, now)
                return then(name, made)
            note_refused(nobody, there, now, held=failures >= FREE)
    raise SignInRefused(_REFUSED)


@dataclass(frozen=True, slots=True, repr=False)
class _Used:
    """What was compared: the hash, and the time step of the code; None: not an app's code of now."""

    stored: str
    step: int | None


def _check(site: Site, name: str, given: Credentials, now: datetime, cost: Cost) -> tuple[bool, _Used]:
    """Whether all of it is right. The same is computed whatever is wrong, and for whomever."""
    db, seconds = site.database, now.timestamp()
    everyone = administrators.list_all(db)
    person = next((each for each in everyone if each.name == name), None)
    looked_at = name if person is not None else _stand_in(site, name, [each.name for each in everyone])
    kept = administrators.secrets_of(db, site.key, looked_at) if looked_at is not None else None
    stored = kept.password if kept is not None else hashed("nobody has this password", cost)
    password = given.password if len(given.password.encode("utf-8", "replace")) <= LONGEST_BYTES else ""
    right_password = is_password(stored, password)
    step = accepted_step(
        kept.totp if kept is not None else bytes(SECRET_BYTES),
        given.code.replace(" ", ""),
        seconds,
        kept.totp_step if kept is not None else 0,
    )
    right_code = administrators.is_code(db, site.key, looked_at or "", given.code)
    may = person is not None and person.disabled_at is None
    return may and right_password and (step is not None or right_code), _Used(stored, step)


def _stand_in(site: Site, name: str, names: list[str]) -> str | None:
    """Whose hash is computed for a name that nobody has: one of those that there are, always the same one, so that an
    unknown name takes as long as some known one whatever parameters that was hashed with."""
    if not names:
        return None
    mac = sha256(site.key.derive(b"ao sign-in stand-in") + name.encode("utf-8", "replace")).digest()
    return names[int.from_bytes(mac[:8], "big") % len(names)]


def _use_up(site: Site, name: str, used: _Used, given: Credentials, now: datetime) -> bool:
    """Whether it still holds, and the code had not been used by another call meanwhile."""
    db = site.database
    kept = administrators.secrets_of(db, site.key, name)
    if kept is None or kept.password != used.stored or administrators.find(db, name).disabled_at is not None:
        return False
    if used.step is not None:
        return administrators.use_step(db, name, used.step)
    return administrators.use_code(db, site.key, name, given.code, step_at(now.timestamp()))


def _begin(site: Site, name: str, origin: Origin, now: datetime, random: RandomBytes) -> SignedIn:
    db = site.database
    administrators.note_sign_in(db, name, now)
    person = administrators.find(db, name)
    acting = replace(site, by=principal_of(site, person, origin))
    _end_what_is_over(acting, name, now)
    session, token = sessions.begin(db, session_key(site), name, origin.told, now, random(sessions.SECRET_BYTES))
    acting.record("login", session.id, now, detail={"recovery_codes_left": person.codes_left})
    return SignedIn(token, session, acting.by, person.codes_left)


def _end_what_is_over(acting: Site, name: str, now: datetime) -> None:
    """Sessions of anybody that have run out, and of this administrator those that there are too many of."""
    every = sessions.list_all(acting.database)
    own = [each for each in every if each.administrator == name and each.lasts(now)]
    over = [each for each in every if not each.lasts(now)]
    for each in [*over, *own[: max(0, len(own) - sessions.AT_MOST + 1)]]:
        if sessions.end(acting.database, each):
            acting.record("session.end", f"{each.id} of {each.administrator}", now)


def _of_session(site: Site, token: str, origin: Origin, now: datetime) -> SignedInAs:
    db = site.database
    found = sessions.find_by_token(db, session_key(site), token)
    if found is None:
        raise NotSignedIn("The session has ended.")
    person = administrators.find(db, found.administrator)
    by = principal_of(site, person, origin)
    if not found.lasts(now) or person.disabled_at is not None:
        with transaction(db):
            if sessions.end(db, found):
                replace(site, by=by).record("session.end", f"{found.id} of {found.administrator}", now)
        raise NotSignedIn("The session has ended.")
    if now - found.seen_at >= sessions.NOTED_EVERY:
        sessions.note_seen(db, found, now)
    return SignedInAs(by, found.id)


def _of_service(site: Site, token: str, origin: Origin, now: datetime) -> SignedInAs:
    db = site.database
    found = service_tokens.find_by_secret(db, token_key(site), token)
    # A clock that was put back brings no token back: what the site has seen of time counts as well.
    if found is None or found.state(max(now, site.time_floor().at)) != "active":
        raise NotSignedIn("The service token opens nothing here, or not any more.")
    if not may_be_used(found.networks, origin.address):
        raise NotPermitted(f"The service token {found.name} may not be used from {origin.told}.")
    maker = maker_of(site, found.created_by, origin) if found.created_by else None
    by = service_tokens.principal_of(found, maker, origin.told)
    if found.used_at is None or now - found.used_at >= sessions.NOTED_EVERY or found.used_from != origin.told:
        service_tokens.note_use(db, found, origin.told, now)
    return SignedInAs(by, found.id, found.networks, found.signed)


def _held_back(nobody: Site, name: str | None, until: datetime, now: datetime) -> None:
    seconds = max(1, int((until - now).total_seconds()))
    with transaction(nobody.database):
        note_refused(nobody, name, now, held=True, looked_at=False)
    raise SignInHeldBack(
        f"Too many sign-ins were refused; the next one is looked at in {seconds} seconds.", retry_after=seconds
    )


@contextmanager
def _one_at_a_time(site: Site, name: str) -> Iterator[None]:
    """A hash takes 256 MiB: of strangers one is computed at a time for the whole site, and beside it one of those who
    have been here before. Raises SignInHeldBack where another is being computed."""
    try:
        handle = os.open(site.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise StateUnwritable(f"The sign-in lock cannot be opened: {exc.strerror}.", where=str(site.folder)) from exc
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SignInHeldBack("Another sign-in is being looked at; try again.", retry_after=1) from None
        yield
    finally:
        os.close(handle)
