"""Puts a bundle together: each part from its own source, then the last look for secrets.

A part that cannot be had says so and does not keep the others from leaving. A secret that is found keeps everything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from installer.errors import AnswerRefused, SecretInBundle
from installer.first_run.settings_file import read_settings
from installer.layout import SECRETS
from installer.preflight import Report
from installer.release_command import ReleaseCommand
from installer.support.bundle import Bundle, within_limits
from installer.support.host_parts import (
    preflight_part,
    settings_part,
    state_part,
    system_part,
    unit_part,
    versions_part,
)
from installer.support.host_secrets import secrets_here
from installer.support.logs import logs_part, this_releases_sentences
from installer.support.release_parts import (
    audit_part,
    config_of,
    config_part,
    metrics_part,
    names_in,
    status_part,
    told_by,
    variables_in,
)
from installer.support.search import found_in
from licensing.document import format_time
from licensing.errors import Refusal
from licensing.version import __version__

PARTS: Final = (
    "system",
    "versions",
    "service",
    "state",
    "settings",
    "preflight",
    "status",
    "config",
    "audit",
    "metrics",
    "logs",
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a bundle comes from. `log_files`: instead of systemd's journal."""

    release: ReleaseCommand
    settings: Path
    preflight: Report
    environment: Mapping[str, str]
    log_files: Sequence[Path]
    log_lines: int
    now: datetime


def collect(sources: Sources, *, without: Collection[str]) -> Bundle:
    """Raises SecretInBundle with the part and the name of what was found there; AnswerRefused for an unknown part."""
    if unknown := sorted(set(without) - set(PARTS)):
        raise AnswerRefused(
            f"There is no part {unknown[0]}.", where="--without", remedy=f"The parts are: {', '.join(PARTS)}."
        )
    release, settings = sources.release, _settings(sources.settings)
    status, written = told_by(release, "status"), told_by(release, "config", "show", "--text")
    config = config_of(written)
    sentences = this_releases_sentences().with_names(names_in(config, status))
    made = (
        system_part(),
        versions_part(),
        unit_part(),
        state_part(release.state_dir),
        settings_part(settings),
        preflight_part(sources.preflight),
        status_part(status),
        config_part(written, config),
        audit_part(told_by(release, "audit", "verify")),
        metrics_part(told_by(release, "metrics")),
        logs_part(sources.log_files, sentences, lines=sources.log_lines),
    )
    secrets = secrets_here(
        state=release.state_dir,
        folders=_secret_folders(settings, sources.environment),
        environment=sources.environment,
        documents=(settings, config),
        known=tuple(variables_in(config)),
    )
    parts = tuple(within_limits(each) for each in made if each.name not in without)
    for part in parts:
        if found := found_in(part.lines, secrets):
            raise SecretInBundle(f"In the part {part.name} there stands {found[0]}.", where=part.name)
    return Bundle(format_time(sources.now), __version__, parts, len(secrets))


def _settings(file: Path) -> Mapping[str, Any]:
    try:
        return read_settings(file)
    except Refusal:
        return {}


def _secret_folders(settings: Mapping[str, Any], environment: Mapping[str, str]) -> list[Path]:
    named = (settings.get("secrets_dir"), environment.get("CREDENTIALS_DIRECTORY"), str(SECRETS))
    return [Path(each) for each in dict.fromkeys(named) if isinstance(each, str) and each]
