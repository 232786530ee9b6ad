"""Whether the appliance can listen where it is to (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from installer.preflight.facts import Listening
from installer.preflight.findings import Finding, failed, passed, warned


def judge(listening: Listening | None) -> Iterator[Finding]:
    if listening is None:
        return
    where = f"[{listening.host}]:{listening.port}" if ":" in listening.host else f"{listening.host}:{listening.port}"
    match listening.fault:
        case "taken" if listening.ours:
            yield passed("port", "In use, as it should be where the appliance serves.", where)
        case "taken":
            yield failed(
                "port",
                "Another program listens there.",
                f"See which (ss -ltnp 'sport = :{listening.port}') and stop it, or choose another port.",
                where,
            )
        case "not ours":
            yield failed("port", "This host has no such address.", "Choose one that `ip address` lists.", where)
        case "other":
            yield failed("port", "Nothing can listen there.", "Choose another address, for example 127.0.0.1.", where)
        case "not permitted" | None if listening.port < listening.first_unprivileged:
            yield warned(
                "port",
                f"Ports below {listening.first_unprivileged} are for root; the service has a user of its own.",
                f"Choose one from {listening.first_unprivileged} on, or lower net.ipv4.ip_unprivileged_port_start.",
                where,
            )
        case "not permitted":
            yield failed(
                "port",
                "A security policy forbids to listen there.",
                "Ask who keeps that policy, or choose another.",
                where,
            )
        case None:
            yield passed("port", "Free.", where)
