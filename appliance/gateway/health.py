"""What a worker knows of the deployments: their conditions, kept over every reload for as long as they are configured.

Each worker learns by itself, from its own calls; it shares what it found with `ao status` through a small file, and
takes from another what the probes found (appliance/state/health.py). So with N workers a deployment that fails is found
out N times, each time after as many failures as its policy says.
"""

from __future__ import annotations

from appliance.config.policy import AS_WRITTEN
from appliance.gateway.routing.budget import Budget
from appliance.gateway.routing.condition import Condition
from appliance.gateway.snapshot import Snapshot
from appliance.state.health import Found, HealthFolder

SHARE_SECONDS = 1.0


class Conditions(dict[str, Condition]):
    """By deployment id; one that is new begins well."""

    def __missing__(self, name: str) -> Condition:
        made = self[name] = Condition(AS_WRITTEN.circuit, AS_WRITTEN.latency)
        return made


class Health:
    """Of one worker, which `tag` names."""

    def __init__(self, tag: str) -> None:
        self.conditions = Conditions()
        self._budgets: dict[str, Budget] = {}
        self._tag = tag
        self._aliases: dict[str, tuple[str, ...]] = {}
        self._shared: tuple[float, dict[str, Found]] = (float("-inf"), {})

    def follow(self, snapshot: Snapshot) -> None:
        """Takes up a new snapshot: what stays is still known, what has gone is forgotten."""
        if snapshot.refusal is not None and not snapshot.tables:
            return  # a moment in which the config cannot be read is no reason to forget
        self._aliases = {alias: tuple(each.id for each in table.candidates) for alias, table in snapshot.tables.items()}
        kept = Conditions()
        for table in snapshot.tables.values():
            for each in table.candidates:
                kept[each.id] = self.conditions[each.id]
                kept[each.id].follow(table.policy.circuit, table.policy.latency)
        self.conditions = kept
        self._budgets = {alias: self.budget(alias) for alias in self._aliases}

    def budget(self, alias: str) -> Budget:
        return self._budgets.get(alias) or self._budgets.setdefault(alias, Budget())

    def resting_aliases(self, now: float) -> list[str]:
        """The aliases none of whose deployments is well."""
        return [
            alias
            for alias, ids in self._aliases.items()
            if ids and all(self.conditions[each].resting(now) for each in ids)
        ]

    def resting(self, now: float) -> list[str]:
        """The deployments to which no call goes now."""
        return [name for name, each in self.conditions.items() if each.resting(now)]

    def share(self, folder: HealthFolder, now: float) -> None:
        """Writes down what has changed, once a second at most, and reads what the probes found."""
        since, before = self._shared
        if now - since < SHARE_SECONDS:
            return
        for name, probe in folder.probes().items():
            if name in self.conditions:
                self.conditions[name].probed(up=probe.up, until=probe.until)
        found = {name: found for name, each in self.conditions.items() if (found := self._found(each, now)) is not None}
        if found != before:
            folder.write_worker(self._tag, found)
        self._shared = (now, found)

    @staticmethod
    def _found(condition: Condition, now: float) -> Found | None:
        resting = condition.resting(now)
        streamed, whole = condition.streamed.p95(now), condition.whole.p95(now)
        if not resting and not condition.opened and streamed is None and whole is None:
            return None
        return Found(
            circuit=condition.state(now).value,
            resting=resting,
            # Rounded up, so that the file does not change with each look at a clock.
            until=round(now + condition.rests_for(now)) if resting else 0,
            opened=condition.opened,
            first_byte_p95_ms=None if streamed is None else round(streamed * 1000),
            whole_p95_ms=None if whole is None else round(whole * 1000),
        )
