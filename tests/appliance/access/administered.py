"""Administrators for tests: cheap passwords, and the codes that their apps would show."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address

from appliance.access.attempts import Origin
from appliance.access.authorise import SITE, Principal, Scope
from appliance.access.password import Cost
from appliance.access.roles import Granted
from appliance.access.totp import code_at, step_at
from appliance.operations.administrators import Enrolment, create_administrator
from appliance.operations.audit import read_trail
from appliance.operations.sign_in import Credentials, SignedIn, sign_in
from appliance.state.site import Site
from tests.appliance.papers import NOW, entropy

CHEAP = Cost(1, 8192)
PASSWORD = "four words quite apart"
DESK = Origin("10.0.0.1", ip_address("10.0.0.1"))
ELSEWHERE = Origin("192.0.2.66", ip_address("192.0.2.66"))


def drawn(name: str) -> Callable[[int], bytes]:
    """Randomness that is another one each time, and the same in each run."""
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return entropy(f"{name}-{count}", size)

    return draw


def make(site: Site, name: str = "anna", role: str = "site-admin", within: Scope = SITE) -> Enrolment:
    return create_administrator(site, name, PASSWORD, [Granted(role, within)], NOW, random=drawn(name), cost=CHEAP)


def code_of(made: Enrolment, now: datetime) -> str:
    """What the app shows."""
    return code_at(base64.b32decode(made.secret), step_at(now.timestamp()))


def try_in(
    site: Site, name: str, password: str, code: str, now: datetime, origin: Origin = DESK, cost: Cost = CHEAP
) -> SignedIn:
    draw = drawn(f"{name} {now} {code}")
    return sign_in(site, Credentials(name, password, code), origin, now, random=draw, cost=cost)


def let_in(site: Site, made: Enrolment, now: datetime, origin: Origin = DESK) -> SignedIn:
    return try_in(site, made.administrator.name, PASSWORD, code_of(made, now), now, origin)


def acting(site: Site, by: Principal) -> Site:
    return replace(site, by=by)


def acts(site: Site, act: str) -> list[str]:
    """Whom or what the trail says this was done to."""
    return [each.subject for each in read_trail(site) if each.act == act]
