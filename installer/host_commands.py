"""`ao install|upgrade|rollback|uninstall`: what is done to this host, and `ao units`, which they ask of a release."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath

import click

from installer import plan
from installer.answers import Answers
from installer.errors import AnswerRefused, NotInstalled, ReleaseUnusable
from installer.face import Face, Result, command
from installer.fit import answers_in, require_fit
from installer.ground import installed_version
from installer.host import Programs, look_at_host, require_root
from installer.install import install, kept_answers, planned, undo_install
from installer.layout import CURRENT, RELEASES, STATE, Layout
from installer.release_command import ReleaseCommand
from installer.switch import Switched
from installer.tree import MANIFEST, Tree, read_release
from installer.uninstall import Farewell, steps_of, uninstall
from installer.upgrade import planned_switch, planned_upgrade, rollback, upgrade
from licensing.shown import shown

WAIT_SECONDS = 60

_root = click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/"),
    show_default=True,
    help="Work on the root that lies in this folder; nothing is started there.",
)
_dry_run = click.option("--dry-run", is_flag=True, help="Print every step, and take none.")
_wait = click.option(
    "--wait",
    type=click.IntRange(1, 3600),
    default=WAIT_SECONDS,
    show_default=True,
    help="Seconds within which the release must answer.",
)
_accept = click.option("--accept", multiple=True, metavar="CHECK", help="Go on although this check fails (repeatable).")


class Told:
    """What is being done, as it is done: for a person on standard error, where a pipe does not get it."""

    def __init__(self, face: Face) -> None:
        self._quiet = face.as_json

    def tell(self, line: str) -> None:
        if not self._quiet:
            click.echo(shown(line, 2000), err=True)


def add_to(main: click.Group) -> None:
    _add_install(main)
    _add_upgrade(main)
    _add_rollback(main)
    _add_uninstall(main)
    _add_units(main)


def _add_install(main: click.Group) -> None:
    @command(main, "install", example="sh ao-appliance-1.0.0-linux-x86_64.run --answers answers.toml")
    @_root
    @click.option("--answers", "answers_file", type=click.Path(path_type=Path), help="A TOML file with [install].")
    @click.option(
        "--from", "source", type=click.Path(path_type=Path), help="A release's unpacked tree (default: this)."
    )
    @_dry_run
    @click.option("--undo", is_flag=True, help="Take back a first installation that was cut off.")
    @click.option("--upgrade", "as_upgrade", is_flag=True, help="Where an older release is installed: upgrade it.")
    @_accept
    @_wait
    def install_(
        face: Face,
        *,
        root: Path,
        answers_file: Path | None,
        source: Path | None,
        dry_run: bool,
        undo: bool,
        as_upgrade: bool,
        accept: tuple[str, ...],
        wait: int,
    ) -> Result:
        """Install this release on this host. Safe to repeat, and gone on with after a cut.

        The host is checked first (ao preflight). Nothing is asked: what no answers file says has a default, which
        --dry-run shows. With --upgrade, this very release follows an older one; whoever runs it vouches for it, as at
        the first installation, while `ao upgrade FILE` has the signature checked by the release that runs.
        """
        layout, told = layout_of(root), Told(face)
        if undo:
            undone = undo_install(layout, told.tell)
            return Result({"undone": list(undone)}, ["This host is as it was before."])
        tree = read_release((source or _own_tree()).absolute(), arch=os.uname().machine)
        there = installed_version(layout)
        if as_upgrade and there is not None and there != tree.facts.version:
            return _upgraded(face, layout, tree, there, dry_run=dry_run, wait=wait, told=told)
        answers = answers_in(answers_file)
        if dry_run:
            steps = [str(each) for each in planned(layout, answers, tree)]
            return Result({"version": tree.facts.version, "steps": steps}, _numbered(steps))
        if layout.is_this_host and there is None:
            require_fit(answers or Answers(), accept, now=face.now, environment=face.environment)
        done = install(layout, answers, tree, told.tell)
        after = (
            "The gateway runs."
            if done.started
            else "Next: ao setup (or: ao init, ao licence import, ao config import, systemctl start ao)."
        )
        data = {"version": done.version, "started": done.started, "steps": list(done.steps)}
        return Result(data, [f"Release {done.version} is installed. {after}"])


def _add_upgrade(main: click.Group) -> None:
    @command(main, "upgrade", example="ao upgrade /media/usb/ao-appliance-1.1.0-linux-x86_64.run")
    @click.argument("file", type=click.Path(path_type=Path))
    @_dry_run
    @_wait
    def upgrade_(face: Face, *, file: Path, dry_run: bool, wait: int) -> Result:
        """Go to the release in FILE, whose release.json lies beside it, signed for this site's trust.

        Exchanges in flight finish; then the gateway is away for some seconds. Where the new release does not serve, or
        the books are not whole, the release before comes back with all that was recorded meanwhile (exit code 118).
        """
        from installer.release_file import drop_leftovers, opened

        layout = Layout()
        there = installed_version(layout)
        if there is None:
            raise NotInstalled("No release is installed here.", where=str(RELEASES))
        require_root()
        drop_leftovers(layout)
        told, programs = Told(face), Programs()
        release = ReleaseCommand(Path(CURRENT / "bin" / "ao"), Path(STATE), None, face.environment)
        with opened(file.absolute(), layout, there, release, programs, told.tell) as folder:
            tree = read_release(folder, arch=os.uname().machine)
            return _upgraded(face, layout, tree, there, dry_run=dry_run, wait=wait, told=told)


def _add_rollback(main: click.Group) -> None:
    @command(main, "rollback", example="ao rollback")
    @_root
    @_dry_run
    @_wait
    def rollback_(face: Face, *, root: Path, dry_run: bool, wait: int) -> Result:
        """Go back to the release before the last upgrade, with everything recorded since.

        Refused where what has changed in the state since cannot be told to that release.
        """
        layout, told = layout_of(root), Told(face)
        if dry_run:
            there = installed_version(layout) or "the running release"
            steps = list(planned_switch(there, "the release before"))
            return Result({"steps": steps}, _numbered(steps))
        return switched(rollback(layout, told.tell, now=face.now, wait=wait))


def _add_uninstall(main: click.Group) -> None:
    @command(main, "uninstall", example="ao uninstall --keep-data")
    @_root
    @click.option("--keep-data", "fate", flag_value="keep", help="Leave state, settings and the user `ao`.")
    @click.option("--purge", "fate", flag_value="purge", help="Take those away as well. It cannot be taken back.")
    @click.option(
        "--usage-to",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Write the last usage files there.",
    )
    @click.option("--without-usage", is_flag=True, help="Do not: what the vendor has not acknowledged is given up.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @_dry_run
    def uninstall_(
        face: Face,
        *,
        root: Path,
        fate: str | None,
        usage_to: Path | None,
        without_usage: bool,
        yes: bool,
        dry_run: bool,
    ) -> Result:
        """Take the appliance off this host. Say --keep-data or --purge.

        The last usage files are offered first: carry them to the vendor.
        """
        if fate is None:
            raise AnswerRefused("Nobody has said what becomes of the state.", remedy="Say --keep-data or --purge.")
        layout, told = layout_of(root), Told(face)
        ask = not (yes or dry_run or face.as_json)
        if ask and usage_to is None and not without_usage:
            given = click.prompt("A folder for the last usage files (empty: none)", default="", show_default=False)
            usage_to, without_usage = (Path(given), False) if given else (None, True)
        farewell = Farewell(fate == "purge", usage_to, without_usage)
        steps = list(steps_of(layout, farewell))
        if dry_run:
            return Result({"steps": steps}, _numbered(steps))
        if not yes:
            _agree(face, steps)
        done = uninstall(layout, farewell, told.tell)
        # The last thing: from here on this program's own files are gone, and nothing more can be loaded from them.
        ended = subprocess.run(
            ["/bin/sh", str(done.finish)], check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        )
        left = [] if fate == "purge" else [f"The state is kept in {STATE}."]
        usage = [f"Carry to the vendor: {each}" for each in done.usage]
        return Result(
            {"undone": list(done.undone), "usage": list(done.usage), "purged": fate == "purge"},
            ["AO Appliance is removed from this host.", *left, *usage],
            ended.returncode,
        )


def _add_units(main: click.Group) -> None:
    @command(main, "units", example="ao units --json")
    @_root
    def units(face: Face, *, root: Path) -> Result:
        """Show the systemd units that this release has for this host. Another release's installer asks this."""
        layout = layout_of(root)
        files = plan.unit_files(look_at_host(layout, Programs()), kept_answers(layout) or Answers())
        shown_files = {str(each.path): each.content.decode() for each in files}
        lines = [line for path, text in shown_files.items() for line in (f"# {path}", *text.splitlines(), "")]
        return Result({"units": shown_files}, lines)


def _upgraded(face: Face, layout: Layout, tree: Tree, there: str, *, dry_run: bool, wait: int, told: Told) -> Result:
    if dry_run:
        steps = list(planned_upgrade(layout, tree, there))
        return Result({"from": there, "to": tree.facts.version, "steps": steps}, _numbered(steps))
    return switched(upgrade(layout, tree, told.tell, now=face.now, wait=wait))


def switched(done: Switched) -> Result:
    away = f" The gateway was away for {done.away_seconds:.1f} s." if done.away_seconds is not None else ""
    data = {"from": done.old, "to": done.new, "away_seconds": done.away_seconds, "copy": done.copy}
    return Result(data, [f"Release {done.new} is in force, after {done.old}.{away}"])


def _numbered(steps: list[str]) -> list[str]:
    return [f"{number:3}. {step}" for number, step in enumerate(steps, 1)]


def layout_of(root: Path) -> Layout:
    return Layout(PurePosixPath(root.resolve()))


def _own_tree() -> Path:
    """The release that this very program lies in. Raises ReleaseUnusable."""
    for folder in Path(__file__).resolve().parents:
        if (folder / MANIFEST).is_file():
            return folder
    raise ReleaseUnusable("This program does not lie in a release.", remedy="Name an unpacked one: --from DIR.")


def _agree(face: Face, steps: list[str]) -> None:
    if face.as_json:
        raise AnswerRefused("Nobody has agreed to it.", remedy="Add --yes.")
    for line in _numbered(steps):
        click.echo(line, err=True)
    if not click.confirm("Do this?", err=True):
        raise AnswerRefused("Nobody has agreed to it; nothing was changed.", remedy="Answer y, or add --yes.")
