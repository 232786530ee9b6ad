"""Whether a host can carry the appliance: its facts are taken, judged, and told.

`run_preflight` is what `ao preflight`, the installation and the support bundle call.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from installer.preflight.findings import Finding, Report, Verdict
from installer.preflight.gather import HostFiles, Target, ask_this_host, gather
from installer.preflight.judge import judge
from licensing.version import BUILD_TIME

__all__ = ["Finding", "Report", "Target", "Verdict", "run_preflight"]


def run_preflight(
    target: Target,
    *,
    now: datetime,
    environment: Mapping[str, str],
    files: HostFiles | None = None,
    built: datetime = BUILD_TIME,
) -> Report:
    """Looks at this host. Changes nothing; a few KiB are written beside the state for a moment, and are gone again."""
    facts = gather(target, files or HostFiles(), ask_this_host(now, environment))
    return judge(facts, built=built)
