"""A process that takes as many calls out of a rate window as it gets, and writes a byte for each.

`python -m tests.appliance.access.hammer WINDOW GO LOG RPM REFUSALS`: starts when the file GO is there, stops after so
many refusals in a row.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from appliance.access.window import RateWindow

BOOT = b"the boot of this test"


def main() -> None:
    window_file, go, log, rpm, refusals = sys.argv[1:]
    window = RateWindow(Path(window_file), rpm=int(rpm), boot_id=BOOT)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(1, b"ready\n")
    while not Path(go).exists():
        time.sleep(0.001)
    refused = 0
    while refused < int(refusals):
        decision = window.admit(time.clock_gettime(time.CLOCK_BOOTTIME), rpm=int(rpm), tpm=None)
        if decision.limit is None:
            os.write(descriptor, b".")
            refused = 0
        else:
            refused += 1


if __name__ == "__main__":
    main()
