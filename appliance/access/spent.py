"""What each key has used up on each day, as its exchanges came into the ledger: the truth that budgets go back to.

Promise: a day's sums change in the transaction that brings the exchanges in, so that none is counted twice or left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.access.account import Moment, Spent, first_day_of
from appliance.state.database import Connection

KEPT_DAYS = 62
"""This month and the one before."""
DAY_MILLISECONDS = 86_400_000


@dataclass(frozen=True, slots=True)
class Use:
    """Of one exchange. `at` is when it ended, in milliseconds since 1970."""

    at: int
    org: str
    team: str
    key: str
    tokens: int
    cost: int


def note_spent(db: Connection, uses: Iterable[Use]) -> None:
    """Within the transaction that takes their exchanges in."""
    sums: dict[tuple[int, str, str, str], list[int]] = {}
    for use in uses:
        kept = sums.setdefault((use.at // DAY_MILLISECONDS, use.org, use.team, use.key), [0, 0])
        kept[0] += use.tokens
        kept[1] += use.cost
    db.executemany(
        "INSERT INTO spent VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (day, org, team, key) "
        "DO UPDATE SET tokens = tokens + ?5, cost = cost + ?6",
        [(*whose, *kept) for whose, kept in sums.items()],
    )


def forget_before(db: Connection, day: int) -> None:
    db.execute("DELETE FROM spent WHERE day < ?", (day - KEPT_DAYS,))


@dataclass(frozen=True, slots=True)
class Sums:
    """What has been spent, for whoever it is to be added up."""

    day: int
    month: int
    rows: tuple[tuple[str, str, str, str, int, int, int, int], ...]
    """org, team, account, channel; the day's tokens and cost, the month's."""

    def of(self, org: str, team: str = "", account: str = "", channel: str = "") -> Spent:
        """Empty: whatever it is."""
        day_tokens = day_cost = month_tokens = month_cost = 0
        for row in self.rows:
            asked = ((org, row[0]), (team, row[1]), (account, row[2]), (channel, row[3]))
            if all(want in ("", has) for want, has in asked):
                day_tokens, day_cost = day_tokens + row[4], day_cost + row[5]
                month_tokens, month_cost = month_tokens + row[6], month_cost + row[7]
        return Spent(self.day, day_tokens, day_cost, self.month, month_tokens, month_cost)


def sums_at(database: Connection, wall: float) -> Sums:
    """This day's and this month's, at a time since 1970."""
    moment = Moment(0.0, wall)
    rows = database.execute(
        "SELECT spent.org, spent.team, COALESCE(account, spent.key), COALESCE(channel, ''), "
        "SUM(CASE WHEN day = ?1 THEN tokens ELSE 0 END), SUM(CASE WHEN day = ?1 THEN cost ELSE 0 END), "
        "SUM(tokens), SUM(cost) FROM spent LEFT JOIN api_keys ON api_keys.id = spent.key "
        "WHERE day BETWEEN ?2 AND ?1 GROUP BY spent.org, spent.team, spent.key",
        (moment.day, first_day_of(moment.month)),
    )
    return Sums(moment.day, moment.month, tuple(tuple(row) for row in rows))
