"""`ao support-bundle`."""

from __future__ import annotations

from pathlib import Path

import click

from installer.face import Face, Result, command, show
from installer.first_run.settings_file import read_settings
from installer.layout import PREFIX, SETTINGS, STATE
from installer.preflight import Target, run_preflight
from installer.release_command import ReleaseCommand, find_release
from installer.support.bundle import Bundle
from installer.support.collect import PARTS, Sources, collect
from installer.support.logs import LINES
from licensing.errors import Refusal
from licensing.shown import shown
from media.writer import write_document


def add_to(main: click.Group) -> None:
    path = click.Path(path_type=Path)

    @command(main, "support-bundle", example="ao support-bundle --out /media/usb/support.jsonl")
    @click.option("--out", type=path, help="The file to write.  [default: ao-support-TIME.jsonl, here]")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @click.option("--show", "whole", is_flag=True, help="Print all that would leave, and write nothing.")
    @click.option("--without", multiple=True, metavar="PART", help=f"Leave a part out: {', '.join(PARTS)}.")
    @click.option("--log-file", "log_files", type=path, multiple=True, help="A log, instead of systemd's journal.")
    @click.option("--log-lines", type=click.IntRange(1, 50_000), default=LINES, show_default=True)
    @click.option("--state-dir", type=path, default=Path(STATE), show_default=True, envvar="AO_STATE_DIR")
    @click.option("--settings", type=path, default=Path(SETTINGS), show_default=True, envvar="AO_SETTINGS")
    @click.option("--ao", "program", type=path, help="The installed release's command.")
    def support_bundle(
        face: Face,
        *,
        out: Path | None,
        yes: bool,
        whole: bool,
        without: tuple[str, ...],
        log_files: tuple[Path, ...],
        log_lines: int,
        state_dir: Path,
        settings: Path,
        program: Path | None,
    ) -> Result:
        """Gather what the vendor needs to help, show its list of contents, ask, and write it as one file of text.

        What may leave is named, member by member (SUPPORT.md); everything else stays and is told by name. No prompt, no
        key, no name of a person, no line of the audit trail. Nothing is sent anywhere. Exit code 1 where you decline,
        124 where a secret of this host was found in it: then nothing is written.
        """
        release = ReleaseCommand(find_release(program), state_dir.absolute(), settings.absolute(), face.environment)
        report = run_preflight(_target(state_dir, settings), now=face.now, environment=face.environment)
        sources = Sources(release, settings.absolute(), report, face.environment, log_files, log_lines, face.now)
        bundle = collect(sources, without=without)
        data = bundle.to_bytes()
        file = out or Path(f"ao-support-{face.now:%Y%m%dT%H%M%SZ}.jsonl")
        contents = {"parts": [each.as_dict() for each in bundle.parts], "bytes": len(data), "file": str(file)}
        if whole:
            return Result(contents | {"text": data.decode("ascii")}, data.decode("ascii").splitlines())
        if not yes:
            if face.as_json:
                # Asking for JSON is no consent: a script that only reads must not write.
                return Result(contents | {"written": None}, [], 1)
            show(Result({}, _list_of(bundle, len(data))), as_json=False)
            if not click.confirm(f"Write it to {shown(str(file))}?"):
                return Result({}, ["Nothing was written."], 1)
        written = write_document(file, data, mode=0o600)
        lines = [*(_list_of(bundle, len(data)) if yes else []), f"{shown(str(file))} is written.", written.sha256]
        return Result(contents | {"written": written.sha256}, lines)


def _target(state_dir: Path, settings: Path) -> Target:
    """What is installed: its own address is in use by it."""
    try:
        there = read_settings(settings)
    except Refusal:
        there = {}
    host, port = there.get("host", "127.0.0.1"), there.get("port", 8080)
    well = isinstance(host, str) and isinstance(port, int)
    return Target(Path(PREFIX), state_dir.absolute(), host if well else None, port if well else 8080, serving=True)


def _list_of(bundle: Bundle, size: int) -> list[str]:
    lines = ["What would leave this host:", ""]
    for part in bundle.parts:
        told = part.as_dict()
        lines.append(f"  {part.name:10} {told['records']:6} records {told['bytes']:9} bytes")
        lines.append(f"             {part.what}")
        if part.cut:
            lines.append(f"             too many: the oldest {part.cut} stay here")
        lines += [f"             stays here: {each}" for each in part.left_out]
    lines += ["", f"{size} bytes of text in all; searched for {bundle.searched_for} secrets of this host, none found."]
    return [*lines, "To read all of it first: ao support-bundle --show", ""]
