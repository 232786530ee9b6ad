"""How a route is declared: its path, what it needs, which command it is the twin of, and whether it asks twice.

A route says which permission it needs, and refuses at once whoever has it nowhere; where (site, org, team) they have
it, the operation itself asks, as it does of the command line. The declared table is what the description, the tests
and the authorisation matrix are made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from appliance.access.authorise import Permission
from appliance.admin_api.desk import Desk
from appliance.admin_api.errors import CallMalformed
from appliance.errors import NotPermitted
from licensing.shown import shown

PREFIX = "/admin/v1"
DESK = "ao.desk"
"""Where the door leaves the desk in a call's scope."""

OnDesk = NamedDependency[Desk]
"""What every handler is given first, as `desk`."""

Method = Literal["GET", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Declared:
    """A route as it was declared.

    `permission` None: whoever has a token may, or (`open_to_all`) even who has none. `besides` is what it takes to look
    at what is to be changed. `commands` are those of `ao` that do the same. `document` is the kind of document that its
    body is, or None for JSON. `media_type` is what it answers with.
    """

    method: Method
    path: str
    permission: Permission | None
    commands: tuple[str, ...] = ()
    asks_twice: bool = False
    document: str | None = None
    media_type: str = "application/json"
    open_to_all: bool = False
    besides: Permission | None = None

    @property
    def needs(self) -> tuple[Permission, ...]:
        """All that it takes."""
        return tuple(each for each in (self.permission, self.besides) if each is not None)


Decorator = Callable[[Callable[..., Any]], HTTPRouteHandler]


def route(
    method: Method,
    path: str,
    permission: Permission | None,
    *commands: str,
    asks_twice: bool = False,
    document: str | None = None,
    media_type: str = "application/json",
    status: int = 200,
    open_to_all: bool = False,
    besides: Permission | None = None,
) -> Decorator:
    """Makes a handler of a function that is given `desk` and what the path, the query and the body hold."""
    declared = Declared(method, path, permission, commands, asks_twice, document, media_type, open_to_all, besides)

    def decorate(function: Callable[..., Any]) -> HTTPRouteHandler:
        return HTTPRouteHandler(
            path,
            http_method=method,
            sync_to_thread=True,
            status_code=status,
            media_type=media_type,
            guards=[_need_somewhere, _know_the_query],
            opt={"declared": declared},
            summary=(function.__doc__ or "").strip().partition("\n")[0],
            operation_id=function.__name__.rstrip("_"),
            tags=[path.strip("/").partition("/")[0]],
        )(function)

    return decorate


def declared_in(handlers: Iterable[HTTPRouteHandler]) -> Iterator[Declared]:
    for handler in handlers:
        yield handler.opt["declared"]


def desk_of(scope: Any) -> Desk:
    found: Desk = scope[DESK]
    return found


def _need_somewhere(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    declared: Declared = handler.opt["declared"]
    principal = desk_of(connection.scope).caller.principal
    for each in declared.needs:
        if not principal.scopes(each):
            raise NotPermitted(f"{principal.name} may not do this: it needs {each.value}.")


def _know_the_query(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A member of the query that is misspelt, or comes twice, is not passed over: what it bounds would be unbounded."""
    known = handler.parsed_fn_signature.parameters.keys() - {"desk", "data"}
    named = [name for name, _ in connection.query_params.multi_items()]
    for name in named:
        if name not in known or name in connection.path_params or named.count(name) > 1:
            raise CallMalformed(f"{shown(name, 64)!r} is no member of this call's query, or came twice.")
