"""`ao serve --wait`: stays, and says why, until the site may serve.

For where whatever ends is started again and again, and nobody can come in to mend it (a container): what an import, a
command or a secret at this very site can mend is waited for. All else ends the process as ever. Nothing listens
meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from licensing.errors import Refusal

log = logging.getLogger("ao.serve")

LOOK_SECONDS = 2.0
MENDED_WITHIN = frozenset({*range(20, 29), 40, 43, *range(60, 70)})
"""Exit codes: the licence ladder, no site yet, a state to rebuild or restore, and the config and its secrets."""


def wait_until(attempt: Callable[[], object], *, stopped: Callable[[], bool], pause: Callable[[float], None]) -> bool:
    """Attempts until nothing is refused (True), or somebody asks to stop (False). Each new reason is logged once.

    Raises the refusal that no import mends.
    """
    told: str | None = None
    while not stopped():
        try:
            attempt()
        except Refusal as refusal:
            if refusal.exit_code not in MENDED_WITHIN:
                raise
            if told != (told := f"{refusal} [{refusal.code}] {refusal.remedy}"):
                log.warning("not serving yet: %s", told)
        else:
            return True
        pause(LOOK_SECONDS)
    return False
