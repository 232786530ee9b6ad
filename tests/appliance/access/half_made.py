"""A process that is killed in the middle of an admission, at its Nth write to the window.

`python -m tests.appliance.access.half_made WINDOW RPM N`.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any

from appliance.access import window as module
from tests.appliance.access.hammer import BOOT


class DyingStruct:
    """Writes like the struct it stands for, and kills the process instead of the write that was chosen."""

    left = 0

    def __init__(self, real: struct.Struct) -> None:
        self.size = real.size
        self._real = real

    def pack_into(self, *arguments: Any) -> None:
        if DyingStruct.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        DyingStruct.left -= 1
        self._real.pack_into(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def main() -> None:
    file, rpm, number = sys.argv[1:]
    window = module.RateWindow(Path(file), rpm=int(rpm), boot_id=BOOT)
    DyingStruct.left = int(number)
    names = vars(module)
    for name in ("_STAMP", "_U64"):
        names[name] = DyingStruct(names[name])
    window.admit(1000.0, rpm=int(rpm), tpm=None)


if __name__ == "__main__":
    main()
