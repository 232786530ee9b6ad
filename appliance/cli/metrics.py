"""`ao metrics`: what /metrics tells, at the terminal."""

from __future__ import annotations

import click

from appliance.cli.face import Face, Result, command
from appliance.observe.exposition import read_metrics


def add_to(main: click.Group) -> None:
    @command(main, "metrics", example="ao metrics --json")
    def metrics(face: Face) -> Result:
        """Show the running gateway's metrics, in Prometheus' text format."""
        text = read_metrics(face.settings.state_dir).decode()
        return Result({"text": text}, text.splitlines())
