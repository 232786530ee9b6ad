"""The state between two releases: what the installer asks the releases themselves to do with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission, Principal, authorise
from appliance.errors import NotInitialised, StateDamaged
from appliance.ledger.store import take_in
from appliance.state.database import newest_schema
from appliance.state.schema import (
    RETURNS_TO,
    Books,
    Missing,
    books_of,
    missing_from,
    put_back,
    schema_of,
    snapshot,
    take_back,
)
from appliance.state.serving import ServingLock
from appliance.state.site import DATABASE, Site, open_site
from appliance.state.standing import judge_site
from licensing.standing import Standing


@dataclass(frozen=True, slots=True)
class Schemas:
    """`newest` is what this release writes, `returns_to` how far back a state may go from there; `of_state` is None
    where there is no state."""

    newest: int
    returns_to: int
    of_state: int | None


def schemas(folder: Path, by: Principal) -> Schemas:
    authorise(by, Permission.HOST_WRITE)
    file = folder / DATABASE
    return Schemas(newest_schema(), RETURNS_TO, schema_of(file) if file.is_file() else None)


def copy_state(folder: Path, copy: Path, by: Principal) -> Books:
    """The database as it is now, not migrated. The gateway may run, but then the copy is as old as its moment."""
    authorise(by, Permission.HOST_WRITE)
    return snapshot(_database(folder), copy)


def check_state(
    folder: Path, now: datetime, by: Principal, *, against: Path | None = None
) -> tuple[Books, Standing, Missing]:
    """Opens the state as serving does (which migrates it), judges the licence, and says what of the copy `against` is
    missing. Raises what serving would meet."""
    authorise(by, Permission.HOST_WRITE)
    file = _database(folder)
    site = open_site(folder, by=by)
    try:
        missing = missing_from(file, against) if against else Missing(0, 0, 0)
        return books_of(file), judge_site(site, site.trust(), now), missing
    finally:
        site.close()


def return_state(folder: Path, now: datetime, by: Principal, *, copy: Path | None) -> tuple[Books, Path | None]:
    """Makes the state one of this release: taken back from a newer schema, or, given a `copy`, put back from it.

    Either way the journal is taken in before the books are counted, and the audit trail says what was done. The second
    value is where the database that was there is kept. Raises AlreadyServing, StateDamaged.
    """
    authorise(by, Permission.HOST_WRITE)
    file = _database(folder)
    lock = ServingLock(folder)
    try:
        schema = _schema_or_none(file)
        kept = file.with_name(f"{file.name}.before-return-{now:%Y%m%dT%H%M%SZ}")
        if copy is None:
            take_back(file, kept)
        else:
            put_back(file, copy, kept)
        site = open_site(folder, by=by)
        try:
            _note(site, schema, copy, now)
            take_in(site.database, site.journal_folder, now)
        finally:
            site.close()
        return books_of(file), kept if kept.exists() else None
    finally:
        lock.release()


def _note(site: Site, schema: int | None, copy: Path | None, now: datetime) -> None:
    how = "put back from the copy made before" if copy else "taken back"
    site.record("state.return", f"schema {schema} to {newest_schema()}", now, detail={"how": how})


def _schema_or_none(file: Path) -> int | None:
    try:
        return schema_of(file)
    except StateDamaged:
        return None


def _database(folder: Path) -> Path:
    if not (folder / DATABASE).is_file():
        raise NotInitialised("There is no site in this state folder.", where=str(folder))
    return folder / DATABASE
