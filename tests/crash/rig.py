"""Workers, takers and a sealer of one site, killed at random moments while the disk fails, many rounds over.

`python -m tests.crash.rig STATE ROUNDS SEED` prints, as JSON, what the workers were told had been recorded (the count
outside) and what ledger and sealed files hold in the end. The journal, taking in, sealing and exporting are the real
ones; the gateway around them is not here (tests/crash/gateway.py).
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.ledger.journal import Journal
from appliance.ledger.seal import sealed_files
from appliance.ledger.store import take_in
from appliance.operations.usage import seal_now
from appliance.state.database import DatabaseFault, open_database
from appliance.state.site import open_site
from licensing.errors import Refusal
from licensing.usage import faults_between, faults_within, open_usage
from tests.appliance.entries import begun, entry
from tests.appliance.papers import NOW
from tests.crash.faults import Disk, Fault, Where

AT_ONCE = 6
CALLS = 300
KILLED = 4
"""Faults of the disk; in so many of five rounds processes are killed too."""

FAULTS = (
    *[(Fault.NONE, Where.BOTH)] * 3,
    (Fault.EIO_WRITE, Where.JOURNAL),
    (Fault.TORN_WRITE, Where.JOURNAL),
    (Fault.SHORT_WRITE, Where.BOTH),
    (Fault.FULL_WRITE, Where.JOURNAL),
    (Fault.FULL_RESERVE, Where.JOURNAL),
    (Fault.EIO_SYNC, Where.JOURNAL),
    (Fault.EIO_WRITE, Where.DATABASE),
    (Fault.FULL_WRITE, Where.DATABASE),
    (Fault.EIO_SYNC, Where.DATABASE),
)


def clock(number: int) -> datetime:
    """The hour of a round, the same for all its processes."""
    return NOW + timedelta(seconds=20 * number + 30)


def work(state: Path, number: int, acknowledged: int, seed: int) -> None:
    """Streams in turn: begun, some time later ended; AT_ONCE are open. Each word is given after it was recorded."""
    chance = random.Random(seed)
    journal = Journal(state / "journal", f"w{number:05}-{seed:08x}", segment_bytes=6000)
    running: list[str] = []
    for count in range(CALLS):
        name = f"{number:05}-{seed:08x}-{count:04}"
        at = int(clock(number).timestamp() * 1000) - chance.randrange(0, 40_000)
        try:
            journal.begin(begun(name, started_at=at))
            running.append(name)
            os.write(acknowledged, f"+{name}\n".encode())
        except ApplianceError:
            os.write(acknowledged, f"?{name}\n".encode())
        if len(running) >= AT_ONCE:
            ended = running.pop(chance.randrange(len(running)))
            try:
                journal.end(entry(ended, ended_at=at, prompt_tokens=count))
                os.write(acknowledged, f"-{ended}\n".encode())
            except ApplianceError:
                os.write(acknowledged, f"!{ended}\n".encode())
        if count % 9 == 0:
            try:
                journal.sync()
            except ApplianceError:
                continue
        time.sleep(0.0001)


def take(state: Path, number: int) -> None:
    with closing(open_database(state / "ao.db")) as database:
        while True:
            try:
                take_in(database, state / "journal", clock(number))
            except (DatabaseFault, Refusal, OSError):
                time.sleep(0.001)


def seal(state: Path, number: int) -> None:
    with closing(open_site(state)) as site:
        for step in range(10):
            try:
                seal_now(site, clock(number) + timedelta(seconds=step), lead=None)
            except (DatabaseFault, Refusal, OSError):
                time.sleep(0.001)


def start(act: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        except (DatabaseFault, Refusal, OSError):
            code = 0  # opening met the failing disk
        finally:
            os._exit(code)
    return child


def one_round(state: Path, number: int, acknowledged: int, chance: random.Random, disk: Disk) -> int:
    """Starts everything, lets the disk fail, kills in random order; says how many ended by a fault of their own."""
    seeds = [chance.randrange(2**32) for _ in range(2)]
    workers = [start(lambda s=s: work(state, number, acknowledged, s)) for s in seeds]  # type: ignore[misc]
    others = [
        start(lambda: take(state, number)),
        start(lambda: take(state, number)),
        start(lambda: seal(state, number)),
    ]
    killing = chance.randrange(5) < KILLED
    fault, where = chance.choice(FAULTS)
    if not killing and where is Where.JOURNAL and fault is Fault.EIO_SYNC:
        fault = Fault.LOSING_SYNC  # a disk that loses pages *and* a killed process is more than is promised
    time.sleep(chance.uniform(0, 0.02))
    disk.fails(fault, where, chance.choice([3, 20, 100]))
    time.sleep(chance.uniform(0.002, 0.04))
    disk.works()
    time.sleep(chance.uniform(0, 0.02))
    codes = []
    for child in chance.sample([*workers, *others], 5):
        if killing or child in others:
            os.kill(child, signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.004))
    for child in (*workers, *others):
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return sum(code not in (0, -signal.SIGKILL) for code in codes)


def main() -> None:
    state, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance, disk = random.Random(seed), Disk(state.parent)
    acknowledged = os.open(state.parent / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    failures = sum(one_round(state, number, acknowledged, chance, disk) for number in range(rounds))
    disk.works()
    end = clock(rounds) + timedelta(minutes=5)
    with closing(open_site(state)) as site:
        take_in(site.database, site.journal_folder, end - timedelta(seconds=10))
        again = take_in(site.database, site.journal_folder, end)
        seal_now(site, end, lead=None)
        rows = [list(row) for row in site.database.execute("SELECT id, outcome, prompt_tokens, seq FROM ledger")]
        counted, faults, before = 0, list[str](), None
        for each in sealed_files(site.database):
            usage = open_usage(each.data, site.key.public_key).claims
            faults += [*faults_within(usage), *faults_between(before, usage)]
            counted += usage.tree.size
            before = usage
        notes = Counter(row["code"] for row in site.database.execute("SELECT code FROM anomalies"))
    told = (state.parent / "acknowledged").read_text().split()
    print(
        json.dumps(
            {
                "told": told,
                "rows": rows,
                "counted": counted,
                "again": again.entries,
                "failures": failures,
                "faults": faults,
                "notes": notes,
                "hits": disk.hits,
            }
        )
    )


if __name__ == "__main__":
    main()
