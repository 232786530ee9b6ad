"""Organisations and their teams: who keys belong to. One is made by name, or with the first key that names it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from appliance.errors import TeamRefused, TeamUnknown
from appliance.state.database import Connection, transaction
from licensing.document import format_time, parse_time

LABEL_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Team:
    """An org where `name` is empty. `keys` counts those that have not been revoked, of `teams` an org's."""

    org: str
    name: str
    created_at: datetime
    keys: int
    teams: int = 0


def is_label(text: str) -> bool:
    return 0 < len(text) <= LABEL_LIMIT and text.isprintable()


def make(database: Connection, org: str, team: str, now: datetime) -> None:
    """Makes an org, or a team of an org that there is. Raises TeamRefused, TeamUnknown."""
    for label, option in ((org, "org"), (team or org, "team")):
        if not is_label(label):
            raise TeamRefused(f"The {option} must have 1 to {LABEL_LIMIT} printable characters.")
    with transaction(database) as db:
        if team:
            find(db, org, "")
        if is_there(db, org, team):
            raise TeamRefused(f"There is {_called(org, team)} already.")
        _insert(db, org, team, now)


def make_sure(database: Connection, org: str, team: str, now: datetime) -> None:
    """That there is a team for a key that names it."""
    with transaction(database) as db:
        for name in ("", team):
            if not is_there(db, org, name):
                _insert(db, org, name, now)


def find(database: Connection, org: str, team: str) -> Team:
    """Raises TeamUnknown."""
    found = [each for each in (list_teams(database) if team else list_orgs(database)) if _is(each, org, team)]
    if not found:
        raise TeamUnknown(f"There is no {_called(org, team).partition(' ')[2]}.")
    return found[0]


def list_orgs(database: Connection) -> list[Team]:
    rows = database.execute(
        "SELECT name, created_at, (SELECT COUNT(*) FROM api_keys WHERE org = orgs.name AND revoked_at IS NULL) AS keys,"
        " (SELECT COUNT(*) FROM teams WHERE org = orgs.name) AS teams FROM orgs ORDER BY name"
    )
    return [Team(row["name"], "", parse_time(row["created_at"]), row["keys"], row["teams"]) for row in rows]


def list_teams(database: Connection) -> list[Team]:
    rows = database.execute(
        "SELECT org, name, created_at, (SELECT COUNT(*) FROM api_keys WHERE api_keys.org = teams.org"
        " AND team = teams.name AND revoked_at IS NULL) AS keys FROM teams ORDER BY org, name"
    )
    return [Team(row["org"], row["name"], parse_time(row["created_at"]), row["keys"]) for row in rows]


def delete(database: Connection, org: str, team: str) -> None:
    """With its caps. Raises TeamUnknown; TeamRefused while there is anything in it."""
    with transaction(database) as db:
        found = find(db, org, team)
        if found.keys or found.teams:
            left = f"{found.keys} keys" if found.keys else f"{found.teams} teams"
            remedy = "Revoke its keys or move them to another team, and delete its teams first."
            raise TeamRefused(f"There are {left} in {_called(org, team)[2:]}.", remedy=remedy)
        if team:
            db.execute("DELETE FROM teams WHERE (org, name) = (?, ?)", (org, team))
        else:
            db.execute("DELETE FROM orgs WHERE name = ?", (org,))
        db.execute("DELETE FROM caps WHERE org = ? AND team = ? AND account = ''", (org, team))


def _insert(db: Connection, org: str, team: str, now: datetime) -> None:
    if team:
        db.execute("INSERT INTO teams VALUES (?, ?, ?)", (org, team, format_time(now)))
    else:
        db.execute("INSERT INTO orgs VALUES (?, ?)", (org, format_time(now)))


def is_there(db: Connection, org: str, team: str) -> bool:
    """An org where `team` is empty."""
    if team:
        return db.execute("SELECT 1 FROM teams WHERE (org, name) = (?, ?)", (org, team)).fetchone() is not None
    return db.execute("SELECT 1 FROM orgs WHERE name = ?", (org,)).fetchone() is not None


def _is(each: Team, org: str, team: str) -> bool:
    return (each.org, each.name) == (org, team)


def _called(org: str, team: str) -> str:
    return f"a team {team[:64]!r} in {org[:64]!r}" if team else f"an org {org[:64]!r}"
