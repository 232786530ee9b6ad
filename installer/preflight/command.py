"""`ao preflight`."""

from __future__ import annotations

from pathlib import Path

import click

from installer.errors import PreflightFailed
from installer.face import Face, Result, command
from installer.preflight import Target, Verdict, run_preflight

USUAL = Target()


def add_to(main: click.Group) -> None:
    @command(main, "preflight", example="ao preflight --listen 10.0.0.5 --port 8443")
    @click.option(
        "--prefix",
        type=click.Path(path_type=Path),
        default=USUAL.releases,
        show_default=True,
        help="Where releases are to lie.",
    )
    @click.option(
        "--state-dir",
        type=click.Path(path_type=Path),
        default=USUAL.state,
        show_default=True,
        envvar="AO_STATE_DIR",
        help="Where the state is to lie.",
    )
    @click.option("--listen", default=USUAL.host, show_default=True, help="The address to listen on.")
    @click.option("--port", type=click.IntRange(1, 65535), default=USUAL.port, show_default=True)
    @click.option("--serving", is_flag=True, help="The appliance may be running there already.")
    def preflight(face: Face, *, prefix: Path, state_dir: Path, listen: str, port: int, serving: bool) -> Result:
        """Look whether this host can carry the appliance, and say what to do where it cannot.

        Nothing is changed; a few KiB are written beside the state for a moment, to see how they are flushed.
        Exit code 120 where a check fails; warnings alone end with 0.
        """
        target = Target(prefix.absolute(), state_dir.absolute(), listen, port, serving)
        report = run_preflight(target, now=face.now, environment=face.environment)
        failed = report.verdict is Verdict.FAIL
        return Result(report.as_dict(), report.lines(), PreflightFailed.exit_code if failed else 0)
