"""`ao state schema|check|copy|return`: what an upgrade does with the state, as commands of each release."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.operations.state import check_state, copy_state, return_state, schemas
from appliance.state.schema import Books


def add_to(main: click.Group) -> None:
    @main.group("state")
    def group() -> None:
        """The state folder between two releases. The installer calls these; they are of use by hand as well."""

    @command(group, "schema", example="ao state schema --json")
    def schema(face: Face) -> Result:
        """Say which schema this release writes, how far back its state can return, and which the state has now.

        Asking migrates nothing.
        """
        found = schemas(face.settings.state_dir, face.by)
        there = "There is no state." if found.of_state is None else f"The state has schema {found.of_state}."
        return Result(
            asdict(found),
            [f"This release writes schema {found.newest}; its state can return to {found.returns_to}.", there],
        )

    @command(group, "check", example="ao state check --against /var/lib/ao/snapshots/before.db")
    @click.option("--against", type=click.Path(path_type=Path), help="A copy from before: what of it is missing?")
    def check(face: Face, *, against: Path | None) -> Result:
        """Open the state as serving does, count its books, and judge the licence.

        A state of an older release is migrated by this. Exit code 0 also where the licence does not serve, and where
        something is missing: the answer says so.
        """
        books, standing, missing = check_state(face.settings.state_dir, face.now, face.by, against=against)
        rung = {"rung": standing.rung.value, "serves": standing.terms.serves, "sentence": standing.sentence}
        lacks = [f"Missing: {count} {what}." for what, count in asdict(missing).items() if count]
        return Result(
            {"books": asdict(books), "licence": rung, "missing": asdict(missing)},
            [*_lines(books), *lacks, f"{standing.rung.value}: {standing.sentence}"],
        )

    @command(group, "copy", example="ao state copy /var/lib/ao/snapshots/before.db")
    @click.argument("file", type=click.Path(path_type=Path))
    def copy(face: Face, *, file: Path) -> Result:
        """Copy the state database, as it is, into FILE, and check the copy.

        It holds what the state holds: keep it private.
        """
        books = copy_state(face.settings.state_dir, file, face.by)
        return Result({"file": str(file), "books": asdict(books)}, [f"{file} is written and whole.", *_lines(books)])

    @command(group, "return", example="ao state return --from /var/lib/ao/snapshots/before.db")
    @click.option("--from", "copy", type=click.Path(path_type=Path), help="Put this copy back instead.")
    def return_(face: Face, *, copy: Path | None) -> Result:
        """Make the state of a newer release one of this release. The gateway must not run.

        Every row that this release knows is taken back from the newer database, which is kept beside it. With --from,
        the copy made before the upgrade is put back, and the journal brings in every exchange since; keys, sealed
        files and documents since then are then only in the database that is kept.
        """
        books, kept = return_state(face.settings.state_dir, face.now, face.by, copy=copy)
        told = [f"The database that was there is kept: {kept}"] if kept else ["The state was this release's already."]
        return Result({"books": asdict(books), "kept": str(kept) if kept else None}, [*_lines(books), *told])


def _lines(books: Books) -> list[str]:
    return [f"Schema {books.schema}, {books.entries} exchanges, {books.tokens} tokens, {books.files} sealed files."]
