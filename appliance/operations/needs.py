"""What an operation needs that is about the site as a whole: asked before it reads or changes anything.

An operation about an org, a team or a key asks `site.require` itself, since what it needs depends on what it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from appliance.access.authorise import Permission
from appliance.state.site import Site

P = ParamSpec("P")
R = TypeVar("R")

Operation = Callable[Concatenate[Site, P], R]


def needs(permission: Permission) -> Callable[[Operation[P, R]], Operation[P, R]]:
    """The operation raises NotPermitted unless whoever acts on the site has this permission for all of it."""

    def decorate(operation: Operation[P, R]) -> Operation[P, R]:
        @functools.wraps(operation)
        def asked(site: Site, /, *args: P.args, **kwargs: P.kwargs) -> R:
            site.require(permission)
            return operation(site, *args, **kwargs)

        return asked

    return decorate
