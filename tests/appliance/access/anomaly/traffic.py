"""A site's traffic as it might be, from a seed: keys of many habits over weeks, and what becomes of one that leaks.

Everything is made from `random.Random(seed)` and the time, so that a corpus is the same wherever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from appliance.access.anomaly.history import DAY, HOUR, Happened

START = 20_454 * DAY
"""Thursday, 1 January 2026."""
MINUTE = 60_000
FAR = "203.0.113.0/24"

Events = list[Happened]


def call(at: float, source: str, model: str = "chat", tokens: int = 800, lasts: int = 2000) -> Happened:
    return Happened(int(at), int(at) + lasts, source, model, tokens)


def refusal(at: float, source: str, count: int = 1, *, throttled: bool = False) -> Happened:
    return Happened(int(at), int(at), source, "", 0, refused=count, throttled=throttled)


def is_working(day: int) -> bool:
    return (START // DAY + day + 3) % 7 < 5


def _spread(random: Random, day: int, first: float, last: float, calls: float, source: str, **more: object) -> Events:
    """About so many calls, at any time between two hours of a day."""
    count = max(0, round(random.gauss(calls, calls**0.5)))
    tokens = [min(60_000, round(random.lognormvariate(6.3, 0.9))) for _ in range(count)]
    model = str(more.get("model", "chat"))
    at = (START + day * DAY + random.uniform(first, last) * HOUR for _ in range(count))
    return [call(when, source, model, of) for when, of in zip(at, tokens, strict=True)]


@dataclass(frozen=True)
class Habit:
    """A key of the site. `day` makes what it does on a day. `fast_found`: leaks of it that are fast are to be found."""

    name: str
    day: Callable[[Random, int], Events]


def _office(random: Random, day: int) -> Events:
    if not is_working(day):
        return _spread(random, day, 9, 17, 4, "10.1.1.0/24")
    morning = _spread(random, day, 7.5, 12, 180, "10.1.1.0/24") + _spread(random, day, 8, 12, 60, "10.1.2.0/24")
    return morning + _spread(random, day, 12.5, 18, 200, "10.1.1.0/24")


def _batch(random: Random, day: int) -> Events:
    """At two in the morning; now and then late."""
    start = 2 + (random.random() * 1.2 if random.random() < 0.15 else random.random() * 0.1)
    return _spread(random, day, start, start + 0.4, 900, "10.2.0.0/24", model="embed")


def _ci(random: Random, day: int) -> Events:
    runs = random.randint(5, 14) if is_working(day) else random.randint(0, 3)
    found: Events = []
    for _ in range(runs):
        start = min(23.5, max(6.0, random.gauss(13, 3.5)))
        runner = f"10.3.{random.randint(0, 12)}.0/24"
        found += _spread(random, day, start, start + random.uniform(0.02, 0.15), random.choice((15, 40, 90)), runner)
    return found


def _growing(random: Random, day: int) -> Events:
    return _spread(random, day, 7, 20, 80 * 1.04**day, "10.4.0.0/24")


def _seasonal(random: Random, day: int) -> Events:
    """The end of a month is four times an ordinary day."""
    month = day % 30
    calls = (320 if month >= 27 else 80) if is_working(day) else 5
    return _spread(random, day, 8, 19 if month >= 27 else 17, calls, "10.5.0.0/24")


def _around_the_clock(random: Random, day: int) -> Events:
    return _spread(random, day, 0, 24, 500, "10.6.0.0/24") + _spread(random, day, 0, 24, 300, "10.6.1.0/24")


def _rolled_out(random: Random, day: int) -> Events:
    """A new model, from the fifteenth day on; the two others of its team have it the same day."""
    return _spread(random, day, 8, 18, 150, "10.7.0.0/24", model="chat-2" if day >= 15 else "chat")


def _moved(random: Random, day: int) -> Events:
    """Behind another NAT from the eighteenth day on, one night to the next morning."""
    return _spread(random, day, 8, 18, 200, "172.20.5.0/24" if day >= 18 else "10.8.0.0/24")


def _moved_in_the_day(random: Random, day: int) -> Events:
    """To other servers, far away, with half an hour in which both answer."""
    if day != 16:
        return _spread(random, day, 0, 24, 300, "172.21.9.0/24" if day > 16 else "10.9.0.0/24")
    return _spread(random, day, 0, 11.5, 150, "10.9.0.0/24") + _spread(random, day, 11, 24, 160, "172.21.9.0/24")


def _second_site(random: Random, day: int) -> Events:
    """A second place that stays beside the first: nothing tells it from a slow leak."""
    found = _spread(random, day, 7, 19, 250, "10.10.0.0/24")
    return found + (_spread(random, day, 7, 19, 120, "172.22.0.0/24") if day >= 21 else [])


def _laptop(random: Random, day: int) -> Events:
    """A developer who is here and there, at odd hours, and tries this and that."""
    places = ["10.11.0.0/24", "10.11.7.0/24", "172.16.3.0/24", *(f"172.{16 + n % 4}.{n}.0/24" for n in range(40, 48))]
    found: Events = []
    for _ in range(random.randint(1, 3) if is_working(day) or random.random() < 0.2 else 0):
        start = min(22.5, max(7.0, random.gauss(14, 4)))
        place = random.choice(places[:3] if random.random() < 0.85 else places)
        found += _spread(
            random, day, start, start + 1, 20, place, model=random.choice(("chat", "chat", "code", "chat-2"))
        )
    return found


def _wrong_model(random: Random, day: int) -> Events:
    """On one day it asks for a model that is no more, until somebody notices."""
    found = _spread(random, day, 8, 18, 150, "10.12.0.0/24")
    if day == 19:
        found += [refusal(each.at, "10.12.0.0/24") for each in _spread(random, day, 13, 14.5, 60, "10.12.0.0/24")]
    return found


def _at_its_cap(random: Random, day: int) -> Events:
    """Many of its calls are refused for a cap, every afternoon."""
    found = _spread(random, day, 8, 18, 300, "10.13.0.0/24")
    return found + [
        refusal(each.at, "10.13.0.0/24", 2, throttled=True)
        for each in _spread(random, day, 14, 17, 120, "10.13.0.0/24")
    ]


def _tries_again(random: Random, day: int) -> Events:
    """Its upstream fails for half an hour, and it asks four times for each."""
    found = _spread(random, day, 8, 18, 300, "10.14.0.0/24")
    return found + (_spread(random, day, 10, 10.5, 60, "10.14.0.0/24") if day in (13, 24) else [])


def _works_late(random: Random, day: int) -> Events:
    """Before a release somebody works until midnight, on the very first time."""
    found = _spread(random, day, 8, 18, 200, "10.15.0.0/24") if is_working(day) else []
    return found + (_spread(random, day, 20, 24, 60, "10.15.0.0/24") if day in (21, 22) else [])


HABITS = (
    Habit("office", _office),
    Habit("batch at night", _batch),
    Habit("continuous integration", _ci),
    Habit("growing", _growing),
    Habit("end of the month", _seasonal),
    Habit("around the clock", _around_the_clock),
    Habit("new model", _rolled_out),
    Habit("new model, second app", _rolled_out),
    Habit("new model, third app", _rolled_out),
    Habit("behind another NAT", _moved),
    Habit("moved during the day", _moved_in_the_day),
    Habit("second site", _second_site),
    Habit("laptop", _laptop),
    Habit("asks for a model that is gone", _wrong_model),
    Habit("at its cap", _at_its_cap),
    Habit("tries again", _tries_again),
    Habit("works late", _works_late),
)


def day_of(habit: Habit, seed: int, day: int) -> Events:
    """What one key does on one day, in order; that it was rotated in between is nothing that its account would know."""
    random = Random(f"{seed} {habit.name} {day}")
    return sorted(habit.day(random, day), key=lambda each: each.at)


@dataclass(frozen=True)
class Leak:
    """What somebody does who has found a key. `make` gives it from a time on; it is told the network that the key is
    mostly used from. `fast`: it must be found."""

    name: str
    hour: float
    make: Callable[[Random, int, str], Iterator[Happened]]
    fast: bool


def _every(random: Random, start: int, seconds: float, hours: float, source: str, **more: object) -> Iterator[Happened]:
    at = float(start)
    while at < start + hours * HOUR:
        tokens = int(str(more.get("tokens", 800)))
        yield call(at, source, str(more.get("model", "chat")), round(tokens * random.uniform(0.5, 1.5)))
        at += random.expovariate(1 / seconds) * 1000


def _scraper(random: Random, start: int, _home: str) -> Iterator[Happened]:
    return _every(random, start, 0.4, 1, FAR, tokens=2500)


def _siphon(random: Random, start: int, _home: str) -> Iterator[Happened]:
    return _every(random, start, 180, 9, FAR)


def _night(random: Random, start: int, _home: str) -> Iterator[Happened]:
    return _every(random, start, 8, 3, FAR)


def _probing(random: Random, start: int, _home: str) -> Iterator[Happened]:
    for number, each in enumerate(_every(random, start, 1, 0.5, FAR)):
        yield each if number % 20 == 19 else refusal(each.at, FAR)


def _refused(random: Random, start: int, _home: str) -> Iterator[Happened]:
    """From a network that the key may not be used from."""
    return (refusal(each.at, FAR) for each in _every(random, start, 2, 2, FAR))


def _at_once(random: Random, start: int, _home: str) -> Iterator[Happened]:
    return _every(random, start, 60, 6, FAR)


def _within(random: Random, start: int, home: str) -> Iterator[Happened]:
    """From where the key is always used, at night, fast."""
    return _every(random, start, 0.5, 2, home, tokens=2500)


def _slow_within(random: Random, start: int, home: str) -> Iterator[Happened]:
    """The same, slowly and by day: nothing tells it from use."""
    return _every(random, start, 300, 9, home)


LEAKS = (
    Leak("fast scraper, new network", 10.0, _scraper, fast=True),
    Leak("use at night, new network", 3.0, _night, fast=True),
    Leak("probing of models", 10.0, _probing, fast=True),
    Leak("refused again and again", 10.0, _refused, fast=True),
    Leak("at once from far apart", 9.0, _at_once, fast=True),
    Leak("slow siphon, new network", 9.0, _siphon, fast=False),
    Leak("scraper within the house", 2.0, _within, fast=False),
    Leak("slow siphon within the house", 9.0, _slow_within, fast=False),
)
