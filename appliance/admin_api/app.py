"""The app: every resource's routes behind the one door, and the description that is made from them."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.response import Response
from litestar.types import ASGIApp, Receive, Scope, Send

from appliance.admin_api.answer import refusal_body, refusal_headers
from appliance.admin_api.caller import Authenticator
from appliance.admin_api.description import describe
from appliance.admin_api.desk import Desk
from appliance.admin_api.door import REFUSED, Door, of_database
from appliance.admin_api.errors import AdminFault, CallMalformed, CallTooLarge, NoSuchMethod, NoSuchRoute
from appliance.admin_api.resources import (
    administrators,
    audit,
    config,
    documents,
    keys,
    licence,
    roles,
    routing,
    sessions,
    status,
    teams,
    tokens,
    usage,
)
from appliance.admin_api.routes import PREFIX, OnDesk, declared_in, desk_of, route
from appliance.config.secrets import SecretLookup
from appliance.settings import Settings
from appliance.state.database import DatabaseFault
from licensing.errors import Refusal
from licensing.shown import shown
from licensing.version import __version__

log = logging.getLogger("ao.admin")

RESOURCES: tuple[Sequence[HTTPRouteHandler], ...] = (
    keys.ROUTES,
    teams.ROUTES,
    licence.ROUTES,
    config.ROUTES,
    documents.ROUTES,
    usage.ROUTES,
    audit.ROUTES,
    status.ROUTES,
    routing.ROUTES,
    sessions.ROUTES,
    administrators.ROUTES,
    roles.ROUTES,
    tokens.ROUTES,
)


@route("GET", "/openapi.json", None)
def openapi_description(desk: OnDesk) -> dict[str, Any]:
    """This description."""
    return description()


HANDLERS: tuple[HTTPRouteHandler, ...] = (*(each for group in RESOURCES for each in group), openapi_description)


@functools.cache
def description() -> dict[str, Any]:
    """The OpenAPI description of all routes."""
    about = OpenAPIConfig(title="AO Appliance: admin API", version=__version__, render_plugins=[JsonRenderPlugin()])
    made = Litestar([_router()], openapi_config=about, logging_config=None)
    return describe(made.openapi_schema.to_schema(), list(declared_in(HANDLERS)))


def build(
    settings: Settings,
    authenticator: Authenticator,
    secrets: SecretLookup,
    clock: Callable[[], float] = time.time,
) -> ASGIApp:
    """What is served. `clock` gives seconds since 1970."""
    open_to_all = frozenset((each.method, PREFIX + each.path) for each in declared_in(HANDLERS) if each.open_to_all)
    return Door(routes(), settings, authenticator, secrets, open_to_all, clock)


@functools.cache
def routes() -> ASGIApp:
    """All routes. They hold nothing: what a call works on is on its desk."""
    return Litestar(
        [_router()],
        openapi_config=None,
        logging_config=None,
        middleware=[_names_decoded],
        exception_handlers={
            Refusal: _refuse,
            HTTPException: _refuse_http,
            DatabaseFault: _refuse_fault,
            Exception: _fault,
        },
    )


def _router() -> Router:
    return Router(PREFIX, route_handlers=HANDLERS, dependencies={"desk": Provide(_desk, sync_to_thread=False)})


def _desk(scope: Scope) -> Desk:
    return desk_of(scope)


def _names_decoded(app: ASGIApp) -> ASGIApp:
    """Routes are found by the path as it was sent; what it names is decoded after that."""

    async def decoded(scope: Scope, receive: Receive, send: Send) -> None:
        asked: Any = scope
        named = asked.get("path_params") or {}
        for name, value in named.items():
            if isinstance(value, str):
                named[name] = unquote(value)
        await app(scope, receive, send)

    return decoded


def _refuse(request: Any, refusal: Refusal) -> Response[bytes]:
    request.scope[REFUSED] = refusal
    headers = {name.decode(): value.decode("latin-1") for name, value in refusal_headers(refusal)}
    return Response(
        refusal_body(refusal), status_code=refusal.http_status, media_type="application/json", headers=headers
    )


def _refuse_http(request: Any, error: HTTPException) -> Response[bytes]:
    if isinstance(error, MethodNotAllowedException):
        return _refuse(request, NoSuchMethod("There is no such method here.", allow=_allowed(request)))
    if isinstance(error, NotFoundException):
        return _refuse(request, NoSuchRoute("There is nothing here."))
    if error.status_code == 413:
        return _refuse(request, CallTooLarge("The body is too large."))
    if error.status_code < 500:
        return _refuse(request, CallMalformed(f"{_first_fault(error)}."))
    return _fault(request, error)


def _allowed(request: Any) -> str:
    path = request.scope["path"]
    methods = {each.method for each in declared_in(HANDLERS) if _fits(PREFIX + each.path, path)}
    return ", ".join(sorted(methods))


def _fits(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.rstrip("/").split("/")
    pairs = zip(parts, given, strict=False)
    return len(parts) == len(given) and all(part.startswith("{") or part == one for part, one in pairs)


def _first_fault(error: HTTPException) -> str:
    """What is wrong and where, never what was sent: a value may be a secret."""
    extra = error.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        first = extra[0]
        key = first.get("key") or ".".join(str(each) for each in first.get("loc", ())) or "body"
        said = str(first.get("message") or first.get("msg") or "is not what the description says")
        return f"{shown(str(key), 100)}: {shown(said, 300)}".rstrip(".")
    return "The call is not what the description says"


def _refuse_fault(request: Any, fault: DatabaseFault) -> Response[bytes]:
    return _refuse(request, of_database(fault, "the state folder"))


def _fault(request: Any, error: Exception) -> Response[bytes]:
    log.error("an administrative call failed", exc_info=error)
    return _refuse(request, AdminFault("The call failed by a fault of the appliance."))
