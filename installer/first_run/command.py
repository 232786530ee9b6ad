"""`ao setup`."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from installer.errors import AnswerRefused
from installer.face import Face, Result, command
from installer.first_run.conversation import AtTerminal, Conversation, FromFile, read_answers
from installer.first_run.setup import ANSWERS, next_steps, set_up, what_is_done
from installer.first_run.step import Here
from installer.layout import SETTINGS, STATE
from installer.preflight.gather import HostFiles
from installer.release_command import ReleaseCommand, find_release
from media.errors import MediaError
from media.medium import media_here


def add_to(main: click.Group) -> None:
    @command(main, "setup", example="ao setup --answers answers.toml --dry-run")
    @click.option("--answers", "file", type=click.Path(path_type=Path), help="Take the answers from this TOML file.")
    @click.option("--dry-run", is_flag=True, help="Ask and check everything, say what would be done, and do nothing.")
    @click.option("--show", "only_show", is_flag=True, help="Say which steps are done, and ask nothing.")
    @click.option(
        "--state-dir", type=click.Path(path_type=Path), default=Path(STATE), show_default=True, envvar="AO_STATE_DIR"
    )
    @click.option(
        "--settings", type=click.Path(path_type=Path), default=Path(SETTINGS), show_default=True, envvar="AO_SETTINGS"
    )
    @click.option("--ao", "program", type=click.Path(path_type=Path), help="The installed release's command.")
    def setup(
        face: Face,
        *,
        file: Path | None,
        dry_run: bool,
        only_show: bool,
        state_dir: Path,
        settings: Path,
        program: Path | None,
    ) -> Result:
        """The first run: name the site, pin whom it believes, choose where it listens, request a licence.

        It may be left at any question and run again: what is done is seen, said, and not done twice. Nothing is ever
        overwritten. Exit code 121 for an answer that cannot be, 122 where it was left, else that of what was refused.
        """
        release = ReleaseCommand(find_release(program), state_dir.absolute(), settings, face.environment)
        here = Here(release, settings.absolute(), _media(), HostFiles(), face.now)
        if only_show:
            return _shown(here)
        taken = set_up(here, _conversation(face, file), dry_run=dry_run)
        after = next_steps(here.again())
        return Result(
            {"steps": [each.as_dict() for each in taken], "dry_run": dry_run, "next": after},
            ["", "What comes next:" if not dry_run else "Nothing was done. What comes next:", *after],
        )


def _shown(here: Here) -> Result:
    found = what_is_done(here)
    return Result(
        {"steps": [{"step": step.name, "done": there is not None, "said": there} for step, there in found]},
        [f"{'done' if there else 'open'}  {step.title}{': ' + there if there else ''}" for step, there in found],
    )


def _conversation(face: Face, file: Path | None) -> Conversation:
    def write(line: str) -> None:
        click.echo(line, err=face.as_json)

    if file is not None:
        return FromFile(read_answers(file, ANSWERS), str(file), write)
    if face.as_json:
        raise AnswerRefused("With --json nobody is asked.", where="--json", remedy="Name a file: --answers FILE.")
    return AtTerminal(input, getpass.getpass, write)


def _media() -> list[Path]:
    try:
        return [each.path for each in media_here()]
    except MediaError:
        return []
