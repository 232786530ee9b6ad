"""The making of a site that is killed at its Nth step.

`python -m tests.appliance.state.dying STATE N`; a step is what the interpreter reports to an audit hook: a file that is
opened, a folder that is made, a database that is connected to.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.appliance.sites import make_site

STEPS = {"open", "os.mkdir", "os.remove", "os.rename", "sqlite3.connect", "os.chmod", "os.truncate", "fcntl.flock"}


def main() -> None:
    folder, left = sys.argv[1], [int(sys.argv[2])]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS and arguments and str(arguments[0]).startswith(folder):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    sys.addaudithook(hook)
    make_site(Path(folder)).close()


if __name__ == "__main__":
    main()
