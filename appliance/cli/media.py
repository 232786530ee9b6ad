"""`ao media list|inspect|import|export|exchange|eject|watch`."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from appliance.cli.face import Face, Result, command, show_refusal, table
from appliance.operations.media_exchange import Carrying, exchange, require_allowed
from appliance.operations.media_import import Agree, Desk, Taken, inspect_medium
from appliance.operations.media_watch import until_mounts_change, watch, watched_for
from appliance.operations.transfer_sheet import sheet_lines
from appliance.state.site import CHALLENGE_BYTES, Site
from licensing.shown import shown
from media.beneath import Beneath
from media.eject import eject
from media.errors import NoMedium
from media.inbox import sites_on
from media.medium import Medium, media_here, medium_at
from media.progress import ProgressLine

LINE = 800
"""The most characters of a line that somebody else had a hand in."""

FOLDER = click.argument("path", required=False, type=click.Path(path_type=Path))
YES = click.option("--yes", is_flag=True, help="Agree to everything that would change.")
OPERATOR = click.option("--operator", help="Who carries it, for the transfer sheet.  [default: this user]")
ALL = click.option("--all", "everything", is_flag=True, help="Also usage that the vendor has acknowledged.")
REQUEST = click.option("--request", is_flag=True, help="A site request in any case.")


def add_to(main: click.Group) -> None:
    @main.group("media")
    def group() -> None:
        """What crosses the gap, carried by people."""

    @command(group, "list", example="ao media list")
    def list_(face: Face) -> Result:
        """Show the media that are plugged in and mounted, and how."""
        found = media_here()
        rows = [
            (
                shown(str(each.path), 200),
                shown(each.label or "–", 40),
                shown(each.mount.filesystem),
                shown(each.mount.source, 200),
                each.why,
                _size(each.size),
                _size(each.free),
                _options(each),
            )
            for each in found
        ]
        lines = table(("mounted at", "label", "filesystem", "device", "because", "size", "free", "options"), rows)
        return Result({"media": [_medium(each) for each in found]}, lines if found else ["No medium is here."])

    @command(group, "inspect", example="ao media inspect /media/usb")
    @FOLDER
    def inspect(face: Face, *, path: Path | None) -> Result:
        """Show what a medium holds for this site and what each document would do, changing nothing."""
        medium = _chosen(path)
        with face.site() as site, Beneath.open(medium.path) as root, _progress(face) as progress:
            taken = inspect_medium(_desk(face, site), root, progress=progress)
            others = [each for each in sites_on(root, "to-site") if each != site.id]
        lines = [medium.description, *medium.warnings(writing=False), *_taken_lines(taken)]
        lines += [f"It also carries documents for: {', '.join(others[:20])}"] if others else []
        data = {"medium": _medium(medium), "in": [_taken(each) for each in taken], "others": others}
        return Result(data, lines, _exit_code(taken))

    @command(group, "import", example="ao media import /media/usb --yes")
    @FOLDER
    @YES
    @OPERATOR
    def import_(face: Face, *, path: Path | None, yes: bool, operator: str | None) -> Result:
        """Take in what is addressed to this site: trust, time, licence, config, receipts. Writes nothing there."""
        return _carry(face, path, yes=yes, operator=operator, give=False)

    @command(group, "export", example="ao media export /media/usb")
    @FOLDER
    @ALL
    @REQUEST
    @OPERATOR
    def export(face: Face, *, path: Path | None, everything: bool, request: bool, operator: str | None) -> Result:
        """Write what the vendor needs: sealed usage, a site request where one is wanted, the transfer sheet."""
        return _carry(face, path, yes=True, operator=operator, take=False, everything=everything, request=request)

    @command(group, "exchange", example="ao media exchange /media/usb")
    @FOLDER
    @YES
    @ALL
    @REQUEST
    @OPERATOR
    def exchange_(
        face: Face, *, path: Path | None, yes: bool, everything: bool, request: bool, operator: str | None
    ) -> Result:
        """Import, then export: all that one visit with a medium is for.

        Prints the transfer sheet, which also lies on the medium. Exit code: 0 where everything was taken or known, 1
        where something was declined, else that of the first refusal.
        """
        return _carry(face, path, yes=yes, operator=operator, everything=everything, request=request)

    @command(group, "eject", example="ao media eject /media/usb")
    @FOLDER
    def eject_(face: Face, *, path: Path | None) -> Result:
        """Bring everything onto the medium, unmount it, and switch its power off where that can be done."""
        medium = _chosen(path)
        said = eject(medium)
        return Result({"medium": _medium(medium), "said": said}, said)

    @command(group, "watch", example="ao media watch")
    @YES
    @OPERATOR
    def watch_(face: Face, *, yes: bool, operator: str | None) -> Result:
        """Exchange with every medium that is plugged in and holds something for this site, until stopped.

        For a station that nobody sits at. Without --yes, what needs a person's agreement is left for one.
        """
        stop: list[int] = []
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda number, _frame: stop.append(number))
        with face.site() as site:
            name = watched_for(site)

        def act(medium: Medium) -> None:
            done = _carried(face.again(), medium, _agree_to_all(yes=yes), operator=operator)
            if face.as_json:
                click.echo(json.dumps(done.as_dict()))
                return
            for line in [*_lines(done), ""]:
                click.echo(line)

        watch(name, act, stopped=lambda: bool(stop), pause=until_mounts_change)
        return Result({"stopped": True}, ["Stopped."])


def _carry(
    face: Face,
    path: Path | None,
    *,
    yes: bool,
    operator: str | None,
    take: bool = True,
    give: bool = True,
    everything: bool = False,
    request: bool = False,
) -> Result:
    medium = _chosen(path)
    agree = _agree_to_all(yes=yes) if yes or face.as_json else None
    done = _carried(
        face, medium, agree, operator=operator, take=take, give=give, everything=everything, request=request
    )
    if done.failure is None:
        safe = ["", "Written and read back: safe to remove."] if give else []
        return Result(done.as_dict(), [*_lines(done), *safe], _exit_code(done.taken))
    for line in [] if face.as_json else _lines(done):
        click.echo(line)
    if not face.as_json:
        show_refusal(done.failure, as_json=False)
    return Result(done.as_dict(), [], done.failure.exit_code)


def _carried(
    face: Face,
    medium: Medium,
    agree: Agree | None,
    *,
    operator: str | None,
    take: bool = True,
    give: bool = True,
    everything: bool = False,
    request: bool = False,
) -> Carrying:
    """One exchange; whoever is at the terminal is asked where `agree` is None."""
    with face.site() as site, Beneath.open(medium.path) as root, _progress(face) as progress:
        for warning in require_allowed(site, medium, writing=give) if take else []:
            click.echo(f"Warning: {warning}", err=True)
        return exchange(
            _desk(face, site),
            root,
            medium,
            agree or _asking(progress),
            operator=operator or site.actor,
            everything=everything,
            request=request,
            take=take,
            give=give,
            progress=progress,
        )


def _lines(done: Carrying) -> list[str]:
    lines = sheet_lines(done.sheet)
    for each in done.refused:
        lines += [f"{shown(str(each), LINE)} [{each.code}]", f"    {shown(each.remedy, LINE)}"]
    return lines


def _chosen(path: Path | None) -> Medium:
    if path is not None:
        return medium_at(path)
    found = media_here()
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoMedium("No medium is plugged in and mounted.")
    raise NoMedium(
        f"{len(found)} media are here: {', '.join(shown(str(each.path), 200) for each in found)}.",
        remedy="Name the one that is meant.",
    )


def _desk(face: Face, site: Site) -> Desk:
    return Desk(site, face.secrets(), face.now, secrets.token_bytes(CHALLENGE_BYTES))


def _asking(progress: ProgressLine) -> Agree:
    def ask(title: str, lines: Sequence[str]) -> bool:
        progress.clear()
        click.echo(shown(title, LINE))
        for line in lines:
            click.echo(f"  {shown(line, LINE)}")
        try:
            return click.confirm("Agreed?")
        except click.Abort:
            if sys.stdin.isatty():
                raise
            click.echo("")
            return False  # nobody is there to agree

    return ask


def _agree_to_all(*, yes: bool) -> Agree:
    # Asking for JSON is no consent, and at a station nobody is there to give it.
    return lambda _title, _lines: yes


@contextmanager
def _progress(face: Face) -> Iterator[ProgressLine]:
    """Told on a terminal alone."""
    line = ProgressLine(sys.stderr if sys.stderr.isatty() and not face.as_json else None, time.monotonic)
    try:
        yield line
    finally:
        line.clear()


def _taken_lines(taken: Sequence[Taken]) -> list[str]:
    lines = [] if taken else ["It holds nothing for this site."]
    for each in taken:
        code = f" [{each.refusal.code}]" if each.refusal else ""
        lines.append(f"{each.outcome:8}  {shown(each.name, 400)}  {shown(each.title, LINE)}{code}")
        lines += [f"          {shown(line, LINE)}" for line in each.lines]
    return lines


def _taken(taken: Taken) -> dict[str, Any]:
    return {
        "kind": taken.kind,
        "file": taken.name,
        "bytes": taken.size,
        "digest": taken.digest,
        "serial": taken.serial,
        "outcome": taken.outcome,
        "what": taken.title,
        "lines": list(taken.lines),
        "error": taken.refusal.as_dict() if taken.refusal else None,
    }


def _medium(medium: Medium) -> dict[str, Any]:
    return {
        "path": str(medium.path),
        "label": medium.label,
        "filesystem": medium.mount.filesystem,
        "source": medium.mount.source,
        "why": medium.why,
        "options": sorted(medium.mount.options),
        "missing_options": list(medium.mount.missing_options),
        "bytes": medium.size,
        "free": medium.free,
    }


def _options(medium: Medium) -> str:
    missing = medium.mount.missing_options
    return f"not {','.join(missing)}" if missing else "ro,nosuid,nodev,noexec"


def _size(count: int | None) -> str:
    return "–" if count is None else f"{count / 2**20:,.0f} MiB"


def _exit_code(taken: Sequence[Taken]) -> int:
    refused = next((each.refusal.exit_code for each in taken if each.refusal is not None), 0)
    return refused or int(any(each.outcome == "declined" for each in taken))
