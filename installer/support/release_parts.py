"""The parts of a bundle that the installed release tells: status, config, audit verdict, metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from installer.errors import InstallerError, ReleaseRefused
from installer.release_command import ReleaseCommand
from installer.support.bundle import Part
from installer.support.metric_lines import admit_metrics
from installer.support.pick import pick
from installer.support.shapes import AUDIT, CONFIG, STATUS
from licensing.errors import Refusal
from media.strict_yaml import load

_CODE: Final = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class Told:
    """What a command answered, whole, to be picked from; or the code of its refusal, without its words."""

    data: dict[str, Any] | None
    refused: dict[str, Any] | None


def told_by(release: ReleaseCommand, *words: str) -> Told:
    try:
        return Told(release.ask(*words).data, None)
    except ReleaseRefused as refusal:
        code = refusal.code if _CODE.fullmatch(refusal.code) else "(unknown)"
        return Told(None, {"refused": code, "exit_code": refusal.exit_code})
    except InstallerError as refusal:
        return Told(None, {"refused": refusal.code})


def status_part(told: Told) -> Part:
    return _picked("status", "ao status: licence, clock, config, sums of usage by model", told, STATUS)


def audit_part(told: Told) -> Part:
    return _picked("audit", "whether the audit trail is whole, and its head; no entry of it", told, AUDIT)


def config_of(told: Told) -> Any:
    """The config in force as it was written; None where there is none that can be read."""
    text = (told.data or {}).get("text")
    if not isinstance(text, str):
        return None
    try:
        return load(text.encode()).value
    except Refusal:
        return None


def config_part(told: Told, config: Any) -> Part:
    what = "the config in force: models, addresses without their paths, routing by preset; no key"
    if config is None:
        return Part("config", what, [told.refused or {"refused": "config_unreadable"}])
    picked = pick(config, CONFIG)
    return Part("config", what, [picked.value], picked.left_out)


def metrics_part(told: Told) -> Part:
    what = "the running gateway's metrics"
    if told.data is None:
        return Part("metrics", what, [told.refused or {}])
    found = admit_metrics(str(told.data.get("text", "")))
    return Part("metrics", what, [{"metric": line} for line in found.lines], found.left_out)


def names_in(config: Any, status: Told) -> frozenset[str]:
    """Models and deployments, which leave with the config and the status anyway: they may be named in a log line."""
    return frozenset(_names(pick(config, CONFIG).value if config else None, ("alias",))) | frozenset(
        _names(pick(status.data, STATUS).value if status.data else None, ("alias", "deployment"))
    )


def variables_in(config: Any) -> Iterator[str]:
    """The names of the secrets that the config asks the host for."""
    if isinstance(config, dict):
        for value in config.values():
            yield from variables_in(value)
    elif isinstance(config, list):
        for value in config:
            yield from variables_in(value)
    elif isinstance(config, str) and (found := re.fullmatch(r"\$\{([A-Z][A-Z0-9_]{0,63})\}", config)):
        yield found.group(1)


def _names(value: Any, members: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict):
        for member, inside in value.items():
            if member in members and isinstance(inside, str):
                yield inside
            yield from _names(inside, members)
    elif isinstance(value, list):
        for inside in value:
            yield from _names(inside, members)


def _picked(name: str, what: str, told: Told, shape: dict[str, Any]) -> Part:
    if told.data is None:
        return Part(name, what, [told.refused or {}])
    picked = pick(told.data, shape)
    return Part(name, what, [picked.value], picked.left_out)
