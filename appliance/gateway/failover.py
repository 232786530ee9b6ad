"""Getting an answer: one deployment after another, as the routing says, before any byte has gone to the app.

The routing decides (appliance/gateway/routing/); this loop carries it out. Each try has a place with the deployment and
a limit of time, and leaves behind what it learned. An app that goes away ends whatever is waited for: a place in a
queue, a pause, an answer. What is final and what is the next deployment's turn, routing/cause.py says.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass

from appliance.config.policy import Cause, Policy
from appliance.gateway.answer import Streaming, Whole, answer_of
from appliance.gateway.errors import (
    DeploymentFull,
    DeploymentsResting,
    GatewayRefusal,
    NoRoute,
    UpstreamTimeout,
)
from appliance.gateway.exchange import Exchange
from appliance.gateway.lease import Lease
from appliance.gateway.pace import Paced
from appliance.gateway.routing.cause import cause_of, retry_after_of
from appliance.gateway.routing.course import Course, Pause, Try
from appliance.gateway.routing.explain import told
from appliance.gateway.routing.facts import Facts
from appliance.gateway.snapshot import Route
from appliance.gateway.worker import Worker

log = logging.getLogger("ao.gateway")
route_log = logging.getLogger("ao.route")
route_log.setLevel(logging.INFO)

WHOLE_SECONDS = 600.0
_PROMPTS = ("messages", "prompt", "input")


async def first_answer(worker: Worker, exchange: Exchange) -> Whole | Streaming:
    """The first good answer. Raises the last deployment's GatewayRefusal where there is none."""
    policy = exchange.snapshot.tables[exchange.call.model].policy
    course = _course(worker, exchange, policy)
    try:
        return await _follow(worker, exchange, policy, course)
    finally:
        if policy.tell_header or policy.tell_log:
            _tell(exchange, policy, course)


async def _follow(worker: Worker, exchange: Exchange, policy: Policy, course: Course[Route]) -> Whole | Streaming:
    ends_at = worker.monotonic() + policy.answer_within_seconds
    last: GatewayRefusal | None = None
    while True:
        now = worker.monotonic()
        step = course.next(now, random.random())  # noqa: S311 - spreads retries over time, guards nothing
        left = ends_at - now
        if step is None or left <= 0 or (isinstance(step, Pause) and step.seconds >= left):
            raise last or _nobody(course, worker)
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            continue
        try:
            answer = await _try(worker, exchange, step, left)
        except GatewayRefusal as refusal:
            cause = cause_of(refusal)
            if cause is None:
                course.answered(step)
                raise
            course.failed(step, cause, retry_after_of(refusal))
            last = refusal
            worker.counts.upstream_failed(step.candidate.id, refusal.code)
            log.warning("%s: %s gave no answer (%s)", exchange.id, step.candidate.id, cause)
        else:
            course.answered(step)
            return answer


async def _try(worker: Worker, exchange: Exchange, step: Try[Route], left: float) -> Whole | Streaming:
    """One call to one deployment, within `left` seconds. Raises GatewayRefusal."""
    route = step.candidate
    slot = await _place(worker, exchange, step, left) if route.limits.concurrent is not None else None
    began = worker.monotonic()
    condition = worker.health.conditions[route.id]
    lease = Lease(condition, condition.begin(began), worker.slots, route.id, slot)
    exchange.route = route
    exchange.attempts += 1
    streaming = exchange.call.stream
    times = route.deployment.timeouts
    limit = times.first_byte_seconds if streaming else times.total_seconds or WHOLE_SECONDS
    try:
        try:
            async with asyncio.timeout(min(limit, left)):
                answer = await answer_of(worker.client, exchange, route)
        except TimeoutError:
            raise UpstreamTimeout("The model server did not answer in time.") from None
    except GatewayRefusal as refusal:
        _learn(lease, refusal, began, worker.monotonic(), streaming=streaming)
        lease.over()
        raise
    except BaseException:
        lease.over()
        raise
    now = worker.monotonic()
    (condition.streamed if streaming else condition.whole).took(now - began, now)
    if isinstance(answer, Streaming):
        if lease.trying:
            lease.answered()
        total = times.total_seconds
        loop_now = asyncio.get_running_loop().time()
        answer.rest = Paced(
            answer.rest, times.idle_seconds, None if total is None else loop_now + total - (now - began)
        )
        exchange.lease = lease
    else:
        lease.answered()
        lease.over()
    return answer


async def _place(worker: Worker, exchange: Exchange, step: Try[Route], left: float) -> int:
    slot = worker.slots.take(step.candidate)
    if slot is not None:
        return slot
    if not step.wait:
        raise DeploymentFull(
            "As many calls as this site allows are under way with this model.", headers=((b"retry-after", b"1"),)
        )
    return await worker.slots.queue(step.candidate, exchange.key.id, left)


def _learn(lease: Lease, refusal: GatewayRefusal, began: float, now: float, *, streaming: bool) -> None:
    """What a refusal says of the deployment: one that is the caller's mistake is as good as an answer."""
    cause: Cause | None = cause_of(refusal)
    wait = retry_after_of(refusal)
    if cause == "busy" and wait is not None:
        lease.condition.rest(wait, now)
    elif cause in (None, "context_too_long", "content_refused"):
        if refusal.code == "upstream_refused":
            lease.answered()
    else:
        lease.failed(now)
    if cause == "timeout":
        (lease.condition.streamed if streaming else lease.condition.whole).took(now - began, now)


def _course(worker: Worker, exchange: Exchange, policy: Policy) -> Course[Route]:
    snapshot, alias = exchange.snapshot, exchange.call.model
    licence = snapshot.licence
    budget = worker.health.budget(alias)
    budget.called(policy.retry.budget_percent)
    return Course(
        snapshot.tables,
        alias,
        _Facts(exchange),
        worker.health.conditions,
        budget,
        worker.monotonic(),
        exchange.call.endpoint,
        # Checked when the config came in; checked again, because a licence may have come since.
        allowed=lambda other: licence is not None and licence.allows_model(other) and exchange.grant.may_use(other),
    )


@dataclass(slots=True)
class _Facts:
    """The facts of a call, gathered when they are first asked for: most policies ask for none."""

    exchange: Exchange
    known: Facts | None = None

    def __call__(self) -> Facts:
        if self.known is None:
            self.known = facts_of(self.exchange, random.getrandbits(64))
        return self.known


def facts_of(exchange: Exchange, draw: int) -> Facts:
    members = exchange.call.members
    user = members.get("user")
    prompt = next((members[name] for name in _PROMPTS if name in members), None)
    return Facts(
        endpoint=exchange.call.endpoint,
        stream=exchange.call.stream,
        headers=exchange.headers,
        org=exchange.key.org,
        team=exchange.key.team,
        key=exchange.key.id,
        user=None if user is None or bytes(user) == b"null" else bytes(user),
        prompt=None if prompt is None else bytes(prompt),
        prompt_tokens=exchange.estimated_prompt_tokens,
        draw=draw,
    )


def _nobody(course: Course[Route], worker: Worker) -> GatewayRefusal:
    """Why nobody was even tried."""
    resting = [each.candidate for each in course.decision.left_out if each.resting]
    if not resting:
        return NoRoute("The routing of this model leaves no deployment that may answer this call.")
    now = worker.monotonic()
    wait = min(worker.health.conditions[each.id].rests_for(now) for each in resting)
    return DeploymentsResting(
        "Every deployment of this model has failed lately and is left to rest.",
        headers=((b"retry-after", b"%d" % max(1, round(wait))),),
    )


def _tell(exchange: Exchange, policy: Policy, course: Course[Route]) -> None:
    line = f"{told(course.tried)} ({policy.name}; {course.decision.pick})"
    if policy.tell_header:
        exchange.told = ((b"x-ao-route", line.encode("ascii", "replace")),)
    if policy.tell_log:
        route_log.info("%s: %s", exchange.id, line)
