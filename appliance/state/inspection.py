"""Looking the whole database over for damage, in a thread of its own: it reads every page."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from appliance.errors import StateDamaged
from appliance.state.database import damage_in
from licensing.errors import Refusal


class Inspection:
    """Begins at once. A database that cannot be read at the moment is left for the next start."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: str | None = None
        self._thread = Thread(target=self._look, name="inspection", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        try:
            self._found = damage_in(self._file)
        except Refusal:
            return

    def raise_if_damaged(self) -> None:
        """Raises StateDamaged once damage has been found."""
        if self._found is not None:
            raise StateDamaged(f"The state database is damaged: {self._found}.", where=str(self._file))

    def finish(self) -> None:
        """Waits for the end, then `raise_if_damaged`."""
        self._thread.join()
        self.raise_if_damaged()
