"""A process that takes as many calls out of a quota as it gets, and writes a byte for each.

`python -m tests.appliance.access.hammer FOLDER GO LOG RPM REFUSALS [CONCURRENT]`: starts when the file GO is there,
stops after so many refusals in a row. With CONCURRENT it keeps the calls that it got, and settles none.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from appliance.access.account import Moment
from appliance.access.quota import Taken
from tests.appliance.access.counted import account, ask, opened


def main() -> None:
    folder, go, log, rpm, refusals, *concurrent = sys.argv[1:]
    quota = opened(Path(folder))
    whose = account(rpm=int(rpm), concurrent=int(concurrent[0]) if concurrent else None)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(1, b"ready\n")
    while not Path(go).exists():
        time.sleep(0.001)
    refused = 0
    while refused < int(refusals):
        moment = Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())
        if isinstance(quota.admit((whose,), ask(1, 1), moment), Taken):
            os.write(descriptor, b".")
            refused = 0
        else:
            refused += 1
    if concurrent:
        os.write(1, b"full\n")
        time.sleep(60)


if __name__ == "__main__":
    main()
