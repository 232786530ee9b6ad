"""Where what is usual for keys is kept, how a team's keys are watched, and what was found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec

from appliance.access.anomaly.history import History, accept
from appliance.access.anomaly.judge import Judgement, Mode, Rules, Sensitivity
from appliance.access.anomaly.surroundings import Surroundings
from appliance.state.database import Connection

FINDINGS = 10_000
FACTS = ("at", "key", "name", "org", "team", "score", "threshold", "sensitivity", "mode")
_history = msgspec.json.Decoder(History)
_surroundings = msgspec.json.Decoder(Surroundings)


@dataclass(frozen=True, slots=True)
class Finding:
    """A key that was used as a leaked one would be. `at` in milliseconds since 1970."""

    at: int
    key: str
    name: str
    org: str
    team: str
    score: int
    threshold: int
    sensitivity: str
    mode: str
    paused: bool
    signals: tuple[dict[str, Any], ...]


def history_of(db: Connection, account: str) -> History:
    """As it was kept, with what an operator has found good since; a fresh one where nothing readable is there."""
    row = db.execute("SELECT history, accepted_at FROM key_histories WHERE account = ?", (account,)).fetchone()
    history = History()
    if row is not None and row["history"]:
        try:
            history = _history.decode(row["history"])
        except msgspec.DecodeError:
            history = History()
    if row is not None and row["accepted_at"] > history.accepted:
        accept(history, int(row["accepted_at"]))
    return history


def accepted_at(db: Connection, account: str) -> int:
    row = db.execute("SELECT accepted_at FROM key_histories WHERE account = ?", (account,)).fetchone()
    return int(row[0]) if row else 0


def put_history(db: Connection, account: str, history: History) -> None:
    """When it was found good is not this function's to say."""
    db.execute(
        "INSERT INTO key_histories (account, history) VALUES (?1, ?2) ON CONFLICT (account) DO UPDATE SET history = ?2",
        (account, msgspec.json.encode(history).decode()),
    )


def note_accepted(db: Connection, account: str, now: datetime) -> None:
    """An operator has resumed the key: what it was used for until now (the whole second) is usual from now on."""
    db.execute(
        "INSERT INTO key_histories (account, history, accepted_at) VALUES (?1, '', ?2) "
        "ON CONFLICT (account) DO UPDATE SET accepted_at = ?2",
        (account, int(now.timestamp() * 1000) + 999),
    )


def surroundings(db: Connection) -> Surroundings:
    row = db.execute("SELECT seen FROM site_history").fetchone()
    try:
        return _surroundings.decode(row[0]) if row else Surroundings()
    except msgspec.DecodeError:
        return Surroundings()


def put_surroundings(db: Connection, around: Surroundings) -> None:
    db.execute("INSERT OR REPLACE INTO site_history VALUES (1, ?)", (msgspec.json.encode(around).decode(),))


def all_rules(db: Connection) -> dict[tuple[str, str], Rules]:
    """By org and team; both empty for the site, the team for an org."""
    rows = db.execute("SELECT * FROM anomaly_rules ORDER BY org, team")
    return {
        (row["org"], row["team"]): Rules(cast(Sensitivity, row["sensitivity"]), cast(Mode, row["mode"])) for row in rows
    }


def rules_of(rules: dict[tuple[str, str], Rules], org: str, team: str) -> Rules:
    """The nearest: the team's own, its org's, the site's, or the default."""
    return rules.get((org, team)) or rules.get((org, "")) or rules.get(("", "")) or Rules()


def put_rules(db: Connection, org: str, team: str, rules: Rules) -> None:
    db.execute("INSERT OR REPLACE INTO anomaly_rules VALUES (?, ?, ?, ?)", (org, team, rules.sensitivity, rules.mode))


def note_finding(db: Connection, finding: Finding) -> None:
    signals = json.dumps(finding.signals)
    db.execute(
        "INSERT INTO anomaly_findings (at, key, name, org, team, score, threshold, sensitivity, mode, paused, signals) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(finding.at, finding.key, finding.name, finding.org, finding.team, finding.score),
            *(finding.threshold, finding.sensitivity, finding.mode, finding.paused, signals),
        ),
    )
    db.execute(
        "DELETE FROM anomaly_findings WHERE seq <= (SELECT MAX(seq) FROM anomaly_findings) - ?",
        (FINDINGS,),
    )


def findings(db: Connection, last: int, key: str | None = None) -> list[Finding]:
    """The newest last."""
    rows = db.execute(
        "SELECT * FROM anomaly_findings WHERE ?1 IS NULL OR key = ?1 ORDER BY seq DESC LIMIT ?2", (key, last)
    ).fetchall()
    return [
        Finding(
            **{each: row[each] for each in FACTS},
            paused=bool(row["paused"]),
            signals=tuple(json.loads(row["signals"])),
        )
        for row in reversed(rows)
    ]


def signals_of(judgement: Judgement) -> tuple[dict[str, Any], ...]:
    return tuple({"name": each.name, "points": each.points, "words": each.words} for each in judgement.signals)
