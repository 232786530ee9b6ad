"""A process that is killed in the middle of an admission, at its Nth write to the file of counts.

`python -m tests.appliance.access.half_made FOLDER N`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from appliance.access.account import Moment
from appliance.access.region import Region
from tests.appliance.access.counted import account, ask, opened


class DyingWords:
    """Words that are read and written like those of the file, until the write that was chosen."""

    def __init__(self, words: memoryview, left: int) -> None:
        self._words = words
        self._left = left

    def __getitem__(self, place: Any) -> Any:
        return self._words[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        self._words[place] = value

    def __len__(self) -> int:
        return len(self._words)


def main() -> None:
    folder, number = sys.argv[1:]
    quota = opened(Path(folder))
    region: Region = quota._region
    region.words = DyingWords(region.words, int(number))  # type: ignore[assignment]  # it stands for a memoryview
    quota.admit((account(rpm=5, concurrent=5, tokens_day=1_000),), ask(10), Moment(1000.0, 1000.0))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
