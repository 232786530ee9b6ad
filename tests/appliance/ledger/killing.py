"""Workers and takers of a ledger that are killed at random moments, many times over.

`python -m tests.appliance.ledger.killing STATE ROUNDS SEED` prints, as JSON, what the workers were told had been
recorded and what the ledger holds in the end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from appliance.ledger.journal import Journal
from appliance.ledger.store import take_in
from appliance.state.database import open_database
from tests.appliance.entries import begun, entry


def _work(state: Path, number: int, acknowledged: int) -> None:
    journal = Journal(state / "journal", f"w{number:04}", segment_bytes=6000)
    names = [f"{number:04}-{n:04}" for n in range(400)]
    for early, late in zip(names, [*names[3:], *names[:3]], strict=True):
        # Three calls are open at a time, so that full segments carry some over.
        if late > early:
            journal.begin(begun(late))
            os.write(acknowledged, f"+{late}\n".encode())
        if early >= names[3]:
            journal.end(entry(early))
            os.write(acknowledged, f"-{early}\n".encode())


def _take(state: Path) -> None:
    with closing(open_database(state / "ao.db")) as database:
        while True:
            take_in(database, state / "journal", datetime.now(UTC))


def _start(act: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return child


def main() -> None:
    state, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    log = state.parent / "acknowledged"
    acknowledged = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    failures = 0
    for number in range(rounds):
        worker = _start(lambda n=number: _work(state, n, acknowledged))  # type: ignore[misc]
        takers = [_start(lambda: _take(state)) for _ in range(2)]
        time.sleep(chance.uniform(0.001, 0.04))
        for child in chance.sample([worker, *takers], 3):
            os.kill(child, signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.005))
        ends = {child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in (worker, *takers)}
        failures += sum(code not in (0, -signal.SIGKILL) for code in ends.values())
    with closing(open_database(state / "ao.db")) as database:
        take_in(database, state / "journal", datetime.now(UTC))
        again = take_in(database, state / "journal", datetime.now(UTC))
        rows = [[row["id"], row["outcome"]] for row in database.execute("SELECT id, outcome FROM ledger")]
        damage = database.execute("SELECT COUNT(*) FROM anomalies").fetchone()[0]
    told = log.read_text().split()
    print(json.dumps({"told": told, "rows": rows, "again": again.entries, "failures": failures, "damage": damage}))


if __name__ == "__main__":
    main()
