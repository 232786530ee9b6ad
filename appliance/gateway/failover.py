"""Getting an answer: the deployments of an alias in order, each next one tried before any byte has gone to the app.

What is final and what is the next deployment's turn, answer.py says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from appliance.gateway.answer import Streaming, Whole, answer_of
from appliance.gateway.errors import GatewayRefusal, UpstreamBusy, UpstreamDown, UpstreamTimeout
from appliance.gateway.exchange import Exchange
from appliance.gateway.snapshot import Route
from appliance.gateway.upstream import UpstreamClient

log = logging.getLogger("ao.gateway")


Failed = Callable[[str, str], None]
"""Told of each attempt that gave no answer: the deployment, and the refusal's code."""


async def first_answer(
    client: UpstreamClient, exchange: Exchange, routes: tuple[Route, ...], failed: Failed
) -> Whole | Streaming:
    """The first good answer. Raises the last deployment's GatewayRefusal when there is none."""
    last: GatewayRefusal = UpstreamDown("No deployment of this model answered.")
    for route in routes:
        exchange.route = route
        exchange.attempts += 1
        try:
            return await answer_of(client, exchange, route)
        except (UpstreamDown, UpstreamTimeout, UpstreamBusy) as refusal:
            last = refusal
            failed(route.deployment.id, refusal.code)
            log.warning("%s: %s gave no answer (%s)", exchange.id, route.deployment.id, refusal.code)
    raise last
