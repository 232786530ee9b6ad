"""`ao media list|inspect|import|export|exchange|eject|watch`."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from appliance.cli.face import Face, Result, command, table
from appliance.operations.media_exchange import Carrying, exchange, require_allowed, sheet_lines
from appliance.operations.media_import import Agree, Desk, Taken, inspect_medium
from appliance.operations.media_watch import until_mounts_change, watch
from appliance.state.site import CHALLENGE_BYTES, Site
from licensing.shown import shown
from media.beneath import Beneath
from media.errors import NoMedium
from media.inbox import sites_on
from media.medium import Medium, eject, media_here, medium_at
from media.outbox import Progress

SLOW_SECONDS = 1.0

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
        rows = [(shown(str(m.path), 200), m.mount.filesystem, m.why, _size(m.free), _options(m)) for m in found]
        lines = table(("mounted at", "filesystem", "because", "free", "options"), rows)
        return Result({"media": [_medium(each) for each in found]}, lines if found else ["No medium is here."])

    @command(group, "inspect", example="ao media inspect /media/usb")
    @FOLDER
    def inspect(face: Face, *, path: Path | None) -> Result:
        """Show what a medium holds for this site and what each document would do, changing nothing."""
        medium = _chosen(path)
        with face.site() as site, Beneath.open(medium.path) as root:
            taken = inspect_medium(_desk(face, site), root)
            others = [each for each in sites_on(root, "to-site") if each != site.id]
        lines = [medium.label, *medium.warnings(writing=False), *_taken_lines(taken, declined="new")]
        lines += [f"It also carries documents for: {', '.join(shown(each) for each in others[:20])}"] if others else []
        data = {"medium": _medium(medium), "in": [_taken(each, declined="new") for each in taken], "others": others}
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
        """Bring everything onto the medium and unmount it."""
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
            name = site.id

        def act(medium: Medium) -> None:
            done = _carried(face.again(), medium, _agree_to_all(yes=yes), operator=operator)
            for line in [*sheet_lines(done), ""]:
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
    agree = _agree_to_all(yes=yes) if yes or face.as_json else _ask
    done = _carried(
        face, medium, agree, operator=operator, take=take, give=give, everything=everything, request=request
    )
    lines = sheet_lines(done)
    lines += [f"{line} [{each.code}]\n    {each.remedy}" for each in done.refused for line in [str(each)]]
    lines += ["", "Written and read back: safe to remove."] if give else []
    return Result(done.as_dict(), lines, _exit_code(done.taken))


def _carried(
    face: Face,
    medium: Medium,
    agree: Agree,
    *,
    operator: str | None,
    take: bool = True,
    give: bool = True,
    everything: bool = False,
    request: bool = False,
) -> Carrying:
    with face.site() as site, Beneath.open(medium.path) as root:
        for warning in require_allowed(site, medium, writing=give) if take else []:
            click.echo(f"Warning: {warning}", err=True)
        return exchange(
            _desk(face, site),
            root,
            medium,
            agree,
            operator=operator or site.actor,
            everything=everything,
            request=request,
            take=take,
            give=give,
            progress=_progress(shown_to_a_person=sys.stderr.isatty() and not face.as_json),
        )


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


def _ask(title: str, lines: Sequence[str]) -> bool:
    click.echo(title)
    for line in lines:
        click.echo(f"  {line}")
    return click.confirm("Agreed?")


def _agree_to_all(*, yes: bool) -> Agree:
    # A receipt or a trust step changes what is believed as much as a config does: without --yes nothing is agreed to.
    return lambda _title, _lines: yes


def _progress(*, shown_to_a_person: bool) -> Progress:
    started = time.monotonic()

    def tell(done: int, all_: int, name: str) -> None:
        if shown_to_a_person and time.monotonic() - started > SLOW_SECONDS:
            click.echo(f"\r{done} of {all_}: {name}\x1b[K", nl=False, err=True)

    return tell


def _taken_lines(taken: Sequence[Taken], *, declined: str = "declined") -> list[str]:
    lines = [] if taken else ["It holds nothing for this site."]
    for each in taken:
        outcome = declined if each.outcome == "declined" else each.outcome
        code = f" [{each.refusal.code}]" if each.refusal else ""
        lines += [f"{outcome:8}  {each.name}  {each.title}{code}", *(f"          {line}" for line in each.lines)]
    return lines


def _taken(taken: Taken, *, declined: str) -> dict[str, Any]:
    return {
        "kind": taken.kind,
        "file": taken.name,
        "bytes": taken.size,
        "digest": taken.digest,
        "outcome": declined if taken.outcome == "declined" else taken.outcome,
        "what": taken.title,
        "lines": list(taken.lines),
        "error": taken.refusal.as_dict() if taken.refusal else None,
    }


def _medium(medium: Medium) -> dict[str, Any]:
    return {
        "path": str(medium.path),
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
