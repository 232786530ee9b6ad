"""`ao route explain|presets`: how calls are routed."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict

import click

from appliance.cli.face import Face, Result, command
from appliance.config.presets import PRESETS, preset_text
from appliance.operations.route import MadeUp, explain


def add_to(main: click.Group) -> None:
    @main.group("route")
    def group() -> None:
        """How calls to a model are routed among its deployments."""

    @command(group, "explain", example="ao route explain --alias chat --header 'x-customer-tier: enterprise'")
    @click.option("--alias", required=True, help="The model, as apps name it.")
    @click.option("--endpoint", default="chat/completions", show_default=True, help="The path below /v1.")
    @click.option("--header", "headers", multiple=True, help="A header of the call: 'NAME: VALUE'. May be repeated.")
    @click.option("--key", help="The API key's id or name, for rules on key, team and org.")
    @click.option("--user", help="The member user of the body.")
    @click.option("--prompt", help="The beginning of the member messages, prompt or input, as JSON.")
    @click.option("--prompt-tokens", type=click.IntRange(0), default=1000, show_default=True, help="For the cost.")
    @click.option("--stream", is_flag=True, help="A streamed call: its speed is the time to the first byte.")
    @click.option("--draw", type=click.IntRange(0, 2**64 - 1), help="The number drawn.  [default: at random]")
    def explain_(
        face: Face,
        *,
        alias: str,
        endpoint: str,
        headers: tuple[str, ...],
        key: str | None,
        user: str | None,
        prompt: str | None,
        prompt_tokens: int,
        stream: bool,
        draw: int | None,
    ) -> Result:
        """Show what would be tried for a made-up call, in which order, and why. Nothing is called."""
        call = MadeUp(
            alias=alias,
            endpoint=endpoint,
            headers=dict(_header(each) for each in headers),
            key=key,
            user=user,
            prompt=prompt,
            prompt_tokens=prompt_tokens,
            stream=stream,
            draw=secrets.randbits(64) if draw is None else draw,
        )
        with face.site() as site:
            found = explain(site, call, face.secrets(), face.now, time.monotonic())
        legs = [
            {
                "alias": leg.alias,
                "policy": leg.policy,
                "after": list(leg.on),
                "pick": leg.decision.pick,
                "tried": [each.id for each in leg.decision.order],
                "left_out": [{"deployment": each.candidate.id, "why": each.why} for each in leg.decision.left_out],
            }
            for leg in found.foreseen.legs
        ]
        data = {
            "call": asdict(call),
            "legs": legs,
            "next_on": list(found.foreseen.next_on),
            "rounds": found.foreseen.rounds,
        }
        return Result(data, found.lines)

    @command(group, "presets", example="ao route presets")
    def presets(face: Face) -> Result:
        """Show the presets: each is a policy that could stand in a config as it is."""
        texts = {name: preset_text(name) for name in PRESETS}
        return Result({"presets": texts}, "\n".join(texts.values()).splitlines())


def _header(given: str) -> tuple[str, str]:
    name, colon, value = given.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{given!r} is not NAME: VALUE.", param_hint="--header")
    return name.strip(), value.strip()
