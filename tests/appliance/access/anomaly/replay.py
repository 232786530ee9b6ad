"""Traffic through the watch's own functions, minute by minute, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import msgspec

from appliance.access.anomaly.history import DAY, HOUR, Happened, History, accept, learn
from appliance.access.anomaly.judge import THRESHOLDS, Judgement, Sensitivity, is_news, judge
from appliance.access.anomaly.surroundings import Surroundings
from tests.appliance.access.anomaly.traffic import HABITS, MINUTE, START, Habit, Leak, day_of

LEAK_DAY = 26
"""A Tuesday; 25 days are known by then."""


@dataclass(frozen=True)
class Alarm:
    """A finding where there was nothing to be found. An operator looks, and resumes the key."""

    habit: str
    day: int
    sensitivity: Sensitivity
    judgement: Judgement


@dataclass(frozen=True)
class Site:
    """What is known of every key at the start of a day."""

    histories: Mapping[str, bytes]
    around: bytes


@dataclass(frozen=True)
class Weeks:
    """`alarms` of every sensitivity; `days` simulated; `sites` at the starts of days that were asked for."""

    alarms: tuple[Alarm, ...]
    days: int
    keys: int
    sites: Mapping[int, Site]

    def a_key_month(self, sensitivity: Sensitivity) -> float:
        return sum(each.sensitivity == sensitivity for each in self.alarms) / (self.keys * self.days / 30)


def live(
    seed: int, days: int, *, keep: tuple[int, ...] = (), sensitivities: tuple[Sensitivity, ...] = tuple(THRESHOLDS)
) -> Weeks:
    """A site of all habits. Each sensitivity has a history of its own: what an operator finds good is good from then
    on, for that history."""
    histories = {(habit.name, each): History() for habit in HABITS for each in sensitivities}
    around = Surroundings()
    alarms: list[Alarm] = []
    sites: dict[int, Site] = {}
    for day in range(days):
        if day in keep:
            kept = {habit.name: msgspec.json.encode(histories[habit.name, "normal"]) for habit in HABITS}
            sites[day] = Site(kept, msgspec.json.encode(around))
        happened = sorted(
            ((each, habit) for habit in HABITS for each in day_of(habit, seed, day)), key=lambda both: both[0].at
        )
        _replay_day(day, happened, histories, around, alarms, sensitivities)
    return Weeks(tuple(alarms), days, len(HABITS), sites)


def _replay_day(
    day: int,
    happened: list[tuple[Happened, Habit]],
    histories: Mapping[tuple[str, Sensitivity], History],
    around: Surroundings,
    alarms: list[Alarm],
    sensitivities: tuple[Sensitivity, ...],
) -> None:
    judged: dict[str, int] = {}
    for each, habit in happened:
        around.note("n", each.source, habit.name)
        around.note("m", each.model, habit.name)
        for sensitivity in sensitivities:
            learn(histories[habit.name, sensitivity], each)
        if judged.get(habit.name) == each.at // MINUTE:
            continue
        judged[habit.name] = each.at // MINUTE
        for sensitivity in sensitivities:
            threshold = THRESHOLDS[sensitivity]
            history = histories[habit.name, sensitivity]
            judgement = judge(history, around, habit.name, each.at)
            if judgement.score >= threshold and is_news(history, judgement, each.at):
                alarms.append(Alarm(habit.name, day, sensitivity, judgement))
                accept(history, each.at)


def found_after(site: Site, seed: int, habit: Habit, leak: Leak) -> dict[Sensitivity, tuple[float, int] | None]:
    """For each sensitivity after how many seconds, and how many leaked calls, the leak was found; None: not in a day.

    The owner goes on with the day as always.
    """
    start = START + LEAK_DAY * DAY + int(leak.hour * HOUR)
    history = msgspec.json.decode(site.histories[habit.name], type=History)
    around = msgspec.json.decode(site.around, type=Surroundings)
    home = max(history.networks, key=lambda each: history.networks[each].count)
    leaked = list(leak.make(Random(f"{seed} {leak.name}"), start, home))
    own = [(each, False) for each in day_of(habit, seed, LEAK_DAY)]
    both = sorted([*own, *((each, True) for each in leaked)], key=lambda each: each[0].at)
    found: dict[Sensitivity, tuple[float, int] | None] = dict.fromkeys(THRESHOLDS)
    count = 0
    for happened, is_leaked in both:
        learn(history, happened)
        count += is_leaked
        if happened.at < start:
            continue
        score = judge(history, around, habit.name, happened.at).score
        for sensitivity, threshold in THRESHOLDS.items():
            if found[sensitivity] is None and score >= threshold:
                found[sensitivity] = ((happened.at - start) / 1000, count)
        if all(found.values()):
            break
    return found
