"""`/sessions`, `/whoami`: signing in and out. A session is a bearer token, never a cookie."""

from __future__ import annotations

from typing import Annotated

from litestar.params import JSONBody
from pydantic import Field

from appliance.access import administrators
from appliance.access.authorise import Grant, Permission
from appliance.access.sessions import Session
from appliance.admin_api.answer import Limit, Offset, page
from appliance.admin_api.resources.models import Body, Name, Told
from appliance.admin_api.routes import OnDesk, route
from appliance.admin_api.sign_in import origin_of
from appliance.operations.administrators import end_session, list_sessions
from appliance.operations.sign_in import Credentials, change_own_password, sign_in, sign_out
from licensing.document import format_time

_Typed = Annotated[str, Field(min_length=1, max_length=1024)]


class Given(Body):
    """`code` is the authenticator app's, or a recovery code."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    password: _Typed
    code: Annotated[str, Field(min_length=1, max_length=64)]


class NewPassword(Given):
    new_password: _Typed


class SessionTold(Told):
    id: str
    administrator: str
    started_at: str
    seen_at: str
    ends_at: str
    source: str

    @classmethod
    def of(cls, session: Session) -> SessionTold:
        return cls(
            id=session.id,
            administrator=session.administrator,
            started_at=format_time(session.started_at),
            seen_at=format_time(session.seen_at),
            ends_at=format_time(session.ends_at),
            source=session.source,
        )


class Begun(Told):
    """`token` is told this once; send it as 'Authorization: Bearer …'."""

    token: str
    session: SessionTold
    recovery_codes_left: int


class SessionPage(Told):
    items: list[SessionTold]
    total: int
    next_offset: int | None


class Ended(Told):
    ended: bool


class Changed(Told):
    changed: bool = True


class GrantTold(Told):
    """`org` and `team` null: the whole site."""

    permissions: list[str]
    org: str | None
    team: str | None

    @classmethod
    def of(cls, grant: Grant) -> GrantTold:
        named = sorted(each.value for each in grant.permissions)
        return cls(permissions=named, org=grant.within.org, team=grant.within.team)


class Who(Told):
    """Whom the audit trail names, by which session or token, from where, and what they may do from there."""

    name: str
    credential: str
    source: str
    grants: list[GrantTold]


@route("POST", "/sessions", None, status=201, open_to_all=True)
def begin_session(desk: OnDesk, data: JSONBody[Given]) -> Begun:
    """Sign in. The answer to anything that is not right is the same, whatever it was."""
    done = sign_in(desk.site, Credentials(data.name, data.password, data.code), origin_of(desk.peer), desk.now)
    return Begun(token=done.token, session=SessionTold.of(done.session), recovery_codes_left=done.codes_left)


@route("POST", "/password", None, open_to_all=True)
def change_password(desk: OnDesk, data: JSONBody[NewPassword]) -> Changed:
    """Change one's own password, with the old one and a code. All of one's sessions end."""
    given = Credentials(data.name, data.password, data.code)
    change_own_password(desk.site, given, data.new_password, origin_of(desk.peer), desk.now)
    return Changed()


@route("GET", "/whoami", None)
def who_am_i(desk: OnDesk) -> Who:
    """Who calls, and what they may do."""
    by = desk.caller.principal
    grants = [GrantTold.of(each) for each in by.grants]
    return Who(name=by.name, credential=desk.caller.credential, source=by.source, grants=grants)


@route("DELETE", "/whoami/session", None)
def end_own_session(desk: OnDesk) -> Ended:
    """Sign out: the session that this call came with ends."""
    return Ended(ended=sign_out(desk.site, desk.caller.credential, desk.now))


@route("GET", "/whoami/sessions", None)
def list_own_sessions(desk: OnDesk) -> SessionPage:
    """One's own sessions; a service token has none."""
    own = administrators.name_of(desk.caller.principal)
    found = [each for each in list_sessions(desk.site, desk.now) if each.administrator == own] if own else []
    return SessionPage(**page([SessionTold.of(each) for each in found], 100, 0))


@route("GET", "/sessions", Permission.ADMINISTRATORS_READ, "sessions list")
def list_sessions_(desk: OnDesk, limit: Limit = 100, offset: Offset = 0) -> SessionPage:
    """The sessions of the administrators whom the caller may look at."""
    found = [SessionTold.of(each) for each in list_sessions(desk.site, desk.now)]
    return SessionPage(**page(found, limit, offset))


@route("DELETE", "/sessions/{session:str}", Permission.ADMINISTRATORS_WRITE, "sessions end")
def end_session_(desk: OnDesk, session: Name) -> Ended:
    """End somebody's session. They can sign in again."""
    end_session(desk.site, session, desk.now)
    return Ended(ended=True)


ROUTES = (
    begin_session,
    change_password,
    who_am_i,
    end_own_session,
    list_own_sessions,
    list_sessions_,
    end_session_,
)
