"""What the vendor has acknowledged of the usage, and what was used since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from appliance.ledger.store import take_in
from appliance.state.site import Site


@dataclass(frozen=True, slots=True)
class Use:
    """Totals of one model for one team over some entries."""

    team: str
    model: str
    requests: int
    errors: int
    interrupted: int
    prompt_tokens: int
    completion_tokens: int
    estimated_tokens: int


def acknowledged_seq(site: Site) -> int:
    """The last usage file that a receipt names; 0 before the first."""
    row = site.database.execute("SELECT MAX(seq) FROM receipts").fetchone()
    return int(row[0] or 0)


def unacknowledged_uses(site: Site, now: datetime) -> list[Use]:
    """Totals per team and model of all exchanges since then."""
    take_in(site.database, site.journal_folder, now)
    rows = site.database.execute(
        "SELECT team, model, COUNT(*) AS requests, "
        "SUM(outcome IN ('upstream_failed', 'upstream_refused', 'fault')) AS errors, "
        "SUM(outcome = 'interrupted') AS interrupted, "
        "SUM(prompt_tokens) AS prompt_tokens, SUM(completion_tokens) AS completion_tokens, "
        "SUM(estimated_prompt_tokens + estimated_completion_tokens) AS estimated_tokens "
        "FROM ledger WHERE seq IS NULL OR seq > ? GROUP BY team, model ORDER BY team, model",
        (acknowledged_seq(site),),
    ).fetchall()
    return [Use(**dict(row)) for row in rows]
