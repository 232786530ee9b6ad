"""What the facts of a host mean for the appliance (pure): each subject in a module of its own."""

from __future__ import annotations

from datetime import datetime

from installer.preflight.facts import Facts
from installer.preflight.findings import Report
from installer.preflight.judge import clock, machine, media, memory, network, security, services, storage


def judge(facts: Facts, *, built: datetime) -> Report:
    """Every finding, in the order of PREFLIGHT.md. `built`: when this release was made."""
    return Report(
        (
            *machine.judge(facts.machine),
            *services.judge(facts.services),
            *security.judge_modules(facts.security),
            *storage.judge(facts.folders, fsync_disabled=facts.fsync_disabled),
            *memory.judge(facts.memory),
            *clock.judge(facts.clock, built),
            *network.judge(facts.listening),
            *security.judge_randomness(facts.security),
            *media.judge(facts.media),
            *machine.judge_locale(facts.locale),
        )
    )
