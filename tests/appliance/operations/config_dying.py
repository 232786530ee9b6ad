"""A site that takes configs in and goes back, while it is killed or cannot write.

`python -m tests.appliance.operations.config_dying killed|limited|full FOLDER SEED` prints, as JSON, how many rounds
ended how, and what was wrong afterwards. The site is made in FOLDER, which for `full` is a small filesystem of its own.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from appliance.operations.config import activate_config, config_in_force, examine_bytes
from appliance.operations.config_history import find_way_back, go_back, history
from appliance.state.database import DatabaseFault
from appliance.state.site import Site, open_site
from licensing.errors import Refusal
from tests.appliance.papers import DEMO_MODELS, NOW, config_bytes
from tests.appliance.sites import any_secret, licensed_site

REFUSED = 3
Act = Callable[[], int]

# A config of some size, so that it takes more than one page to store.
MODELS = DEMO_MODELS + "".join(f"  - alias: chat-{n}\n    provider:\n      name: demo\n" for n in range(200))


class Rounds:
    """`wrong`: sentences that must not be. `ends`: how each act came out, by what is in force afterwards."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.wrong: list[str] = []
        self.ends: Counter[str] = Counter()
        self.told: Counter[str] = Counter()

    def round(self, number: int, trouble: Trouble) -> None:
        """One act under one trouble, and then what the state says."""
        with closing(open_site(self.state)) as site:
            before = history(site)
            floor = site.floor_of("config")
        assert floor is not None
        importing = number % 3 != 2 or len(before) < 2
        serial = floor.serial + 1 if importing else before[1].floor.serial
        data = config_bytes(MODELS, serial=floor.serial + 1)
        status = trouble.child(lambda: _act(self.state, data if importing else None))
        with closing(open_site(self.state)) as site:
            self._judge(number, site, [each.floor.serial for each in before], serial, status)

    def _judge(self, number: int, site: Site, before: list[int], serial: int, status: int) -> None:
        after = [each.floor.serial for each in history(site)]
        in_force = config_in_force(site)[0].serial
        changed = after == [serial, *before]
        audited = [
            int(row["subject"].split(" serial ")[1].split(",")[0])
            for row in site.database.execute("SELECT subject FROM audit WHERE act LIKE 'config.%' ORDER BY seq DESC")
        ]
        sentences = {
            "the history is the old one or the new one": after == before or changed,
            "what is in force is the last of the history": in_force == after[0],
            "the audit trail agrees": audited == after,
            "the audit trail was not touched": site.verify_audit().first_bad is None,
            "what was said to be done is done": changed or status != 0,
            "what was refused is not done": not (changed and status == REFUSED),
            "it ended as it can": status in (0, REFUSED, -signal.SIGKILL),
            "the database is whole": site.database.execute("PRAGMA integrity_check").fetchone()[0] == "ok",
        }
        self.wrong += [f"round {number}: not so that {what} ({status})" for what, so in sentences.items() if not so]
        self.ends["new" if changed else "old"] += 1
        self.told[{0: "done", REFUSED: "refused"}.get(status, "killed")] += 1


def _act(state: Path, data: bytes | None) -> int:
    try:
        with closing(open_site(state)) as site:
            if data is None:
                go_back(site, find_way_back(site, None, any_secret, NOW), NOW)
            else:
                activate_config(site, examine_bytes(site, data, any_secret, NOW), NOW)
    except (Refusal, DatabaseFault):
        return REFUSED
    return 0


class Trouble:
    """Runs an act in a child: as it is."""

    def child(self, act: Act) -> int:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self.begin()
                code = act()
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        self.meanwhile(child)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def begin(self) -> None:
        """Within the child, before the act."""

    def meanwhile(self, child: int) -> None:
        """Within the parent, during the act."""


class Killed(Trouble):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def meanwhile(self, child: int) -> None:
        time.sleep(self.seconds)
        os.kill(child, signal.SIGKILL)


class Limited(Trouble):
    """No file grows beyond so many bytes; a write beyond fails as on a full disk, with EFBIG."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def begin(self) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, self.limit))


class Filled(Trouble):
    def __init__(self, ballast: Path, pages: int) -> None:
        self.ballast = ballast
        self.pages = pages

    def child(self, act: Act) -> int:
        room = os.statvfs(self.ballast.parent)
        self.ballast.write_bytes(bytes(max(0, room.f_bavail - self.pages) * room.f_frsize))
        try:
            return super().child(act)
        finally:
            self.ballast.unlink()


def killed(rounds: Rounds, chance: random.Random) -> None:
    """At moments spread over as long as an act takes, and a little longer."""
    begun = time.monotonic()
    rounds.round(0, Trouble())
    takes = time.monotonic() - begun
    for number in range(1, 80):
        rounds.round(number, Killed(chance.uniform(0, takes * 1.2)))


def limited(rounds: Rounds, _: random.Random) -> None:
    """The limit rises from one at which nothing can be written until everything can."""
    size = (rounds.state / "ao.db").stat().st_size
    for number, limit in enumerate([0, *range(512, 2 * size, 2048), 2**30, 2**30, 2**30]):
        rounds.round(number, Limited(limit))


def full(rounds: Rounds, _: random.Random) -> None:
    """The room that is left falls page by page, and is given back before anybody looks."""
    for number, pages in enumerate([*range(40), 200, 200]):
        rounds.round(number, Filled(rounds.state.parent / "ballast", pages))


def main() -> None:
    mode, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    rounds = Rounds(folder)
    with closing(licensed_site(rounds.state)):
        pass
    {"killed": killed, "limited": limited, "full": full}[mode](rounds, random.Random(seed))
    print(json.dumps({"wrong": rounds.wrong, "ends": rounds.ends, "told": rounds.told}))


if __name__ == "__main__":
    main()
