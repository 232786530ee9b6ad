"""A journal on a disk that fills up, and has room again later.

`python -m tests.appliance.ledger.full_disk FOLDER SEGMENT_BYTES` prints what happened as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from appliance.ledger.entry import Begun
from appliance.ledger.journal import Journal, left_open, read_from, segments
from tests.appliance.entries import begun, entry, lines_in


def main() -> None:
    folder, segment_bytes = Path(sys.argv[1]), int(sys.argv[2])
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(24 * 1024))
    journal = Journal(folder, "w", segment_bytes=segment_bytes)
    acknowledged, ended, refusals, refused = list[str](), list[str](), set[str](), 0
    journal.begin(begun("long"))
    for number in range(200):
        name = f"x{number:03}"
        try:
            journal.begin(begun(name))
            acknowledged.append(f"begun {name}")
            journal.end(entry(name))
            acknowledged.append(f"entry {name}")
            ended.append(name)
        except Exception as error:
            refused += 1
            refusals.add(type(error).__name__)
    ballast.unlink()
    journal.begin(begun("late"))
    journal.end(entry("late"))
    journal.end(entry("long"))
    ended += ["late", "long"]
    journal.close()
    pieces = [read_from(file, 0) for file in segments(folder)]
    lines = [line for file in segments(folder) for line in lines_in(file)]
    named = [f"{'begun' if isinstance(line, Begun) else 'entry'} {line.id}" for line in lines]
    facts = {
        "acknowledged": acknowledged,
        "refused": refused,
        "refusals": sorted(refusals),
        "damaged": sum(piece.damaged for piece in pieces),
        "found": named,
        "after": [each.split()[0] for each in named if each.endswith(" late")],
        "ended": ended,
        "left_open_finally": [line.id for file in segments(folder) for line in left_open(file)],
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
