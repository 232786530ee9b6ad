"""Refused calls in the audit trail: each kind from each source, and no flood of them.

Whoever tries tokens fills no disk: of one source and code an entry a minute is written, with how many were left out
since, and of all sources together no more than ENTRIES_A_MINUTE. (Refused sign-ins have a record of their own.)
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime

from appliance.access.authorise import Principal
from appliance.errors import SignInRefused
from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.errors import Refusal
from licensing.shown import shown

QUIET_SECONDS = 60.0
ENTRIES_A_MINUTE = 30
SOURCES_LIMIT = 10_000
RECORDED = frozenset({401, 403})


@dataclass(slots=True)
class RefusedCalls:
    """Of one process. `monotonic` is in seconds."""

    _last: dict[tuple[str, str], float] = field(default_factory=dict)
    _left_out: dict[tuple[str, str], int] = field(default_factory=dict)
    _written: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(
        self, site: Site, who: Principal, method: str, path: str, refusal: Refusal, now: datetime, monotonic: float
    ) -> bool:
        """Whether an entry was written."""
        if refusal.http_status not in RECORDED or isinstance(refusal, SignInRefused):
            return False
        kind = (who.source, refusal.code)
        with self._lock:
            if not self._is_due(kind, monotonic):
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return False
            left_out = self._left_out.pop(kind, 0)
        detail: dict[str, str | int] = {"code": refusal.code}
        if left_out:
            detail["more_since"] = left_out
        with transaction(site.database):
            replace(site, by=who).record("admin.refused", f"{method} {shown(path, 200)}", now, detail=detail)
        return True

    def _is_due(self, kind: tuple[str, str], monotonic: float) -> bool:
        while self._written and monotonic - self._written[0] >= QUIET_SECONDS:
            self._written.popleft()
        last = self._last.get(kind)
        if (last is not None and monotonic - last < QUIET_SECONDS) or len(self._written) >= ENTRIES_A_MINUTE:
            return False
        if len(self._last) >= SOURCES_LIMIT:
            self._last.clear()
            self._left_out.clear()
        self._last[kind] = monotonic
        self._written.append(monotonic)
        return True
