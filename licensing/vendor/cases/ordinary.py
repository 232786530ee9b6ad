"""Cases in which everybody is honest: whatever life does to a site, all of it counts, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from licensing.algorithms import PublicKey
from licensing.strict_json import canonical, load_object
from licensing.usage import Anomaly, ClockStep, Run, open_usage
from licensing.usage_proof import make_proof
from licensing.vendor.cases.case import Case
from licensing.vendor.cases.case_site import DAY, NOTHING, CaseSite, case_key, renewed
from licensing.vendor.cases.papers import Papers, day_after

EPOCH = 20270215080000


def new_site(name: str, since: datetime, epoch: int = EPOCH) -> CaseSite:
    return CaseSite(name, epoch, case_key(f"{name} {epoch}"), since)


def ordinary_month() -> Case:
    desk, site = Papers(), new_site("ordinary", datetime(2027, 3, 1, tzinfo=UTC))
    enrolled = desk.enrol(site, site.since)
    names = [desk.put(file) for file in site.days(31)]
    desk.deliver(day_after(site), dict.fromkeys(reversed(names), "accepted"), enrolled)
    _prove(desk, site, site.key.public_key, names[30])
    return desk.case("ordinary-month", "Every day of March, delivered in one go, the last day first.", 31 * 5)


def _prove(desk: Papers, site: CaseSite, key: PublicKey, name: str) -> None:
    """A proof that holds, and the same one with another count in it."""
    usage = open_usage(desk.files[name], key)
    proof = make_proof(usage, 1, site.entries[usage.digest][1], 2).to_bytes()
    changed = load_object(proof)
    changed["entry"]["prompt_tokens"] = 1
    desk.proofs["proof-of-an-exchange.json"] = (proof, name, True)
    desk.proofs["proof-of-what-was-not.json"] = (canonical(changed) + b"\n", name, False)


def month_with_outage() -> Case:
    desk, site = Papers(), new_site("outage", datetime(2027, 3, 1, tzinfo=UTC))
    enrolled = desk.enrol(site, site.since)
    begun, back = site.since, datetime(2027, 3, 14, 9, 30, tzinfo=UTC)
    down = datetime(2027, 3, 10, 15, 0, tzinfo=UTC)
    files = site.days(9)
    files.append(site.day(runs=(Run(started=begun, stopped=down),), sealed_at=back))
    files += [site.day(NOTHING, runs=(Run(started=begun, stopped=down),), sealed_at=back) for _ in range(3)]
    files.append(site.day(runs=(Run(started=back),)))
    files += site.days(17)
    desk.deliver(day_after(site), {desk.put(file): "accepted" for file in files}, enrolled)
    story = """The machine is without power from the tenth to the fourteenth. Its missed days are sealed when it is
    back, with nothing in them, so that no number and no hour is missing."""
    return desk.case("month-with-outage", story, 28 * 5)


def zero_days() -> Case:
    desk, site = Papers(), new_site("idle", datetime(2027, 3, 1, tzinfo=UTC))
    enrolled = desk.enrol(site, site.since)
    files = [site.day(), *(site.day(NOTHING) for _ in range(5)), site.day()]
    desk.deliver(day_after(site), {desk.put(file): "accepted" for file in files}, enrolled)
    return desk.case("zero-days", "Nobody calls for five days. Each of them has its file.", 2 * 5)


def leap_day() -> Case:
    desk, site = Papers(), new_site("leap", datetime(2028, 2, 27, tzinfo=UTC))
    enrolled = desk.enrol(site, site.since)
    files = site.days(2)
    forgetful = site.copied()
    forgetful.since += DAY
    files += site.days(2)
    desk.deliver(
        day_after(site),
        {desk.put(file): "accepted" for file in files[:2]} | {desk.put(forgetful.day(), "forgot"): "inconsistent"},
        enrolled,
    )
    desk.deliver(day_after(site) + DAY, {desk.put(file): "accepted" for file in files[2:]})
    story = """February has a 29th day. A file that goes on with 1 March after the 28th leaves a hole and is refused;
    the one that knows the day is accepted."""
    return desk.case("leap-day", story, 4 * 5)


def year_end() -> Case:
    desk, site = Papers(), new_site("new-year", datetime(2027, 12, 30, tzinfo=UTC))
    enrolled = desk.enrol(site, site.since)
    files = [site.day(), site.until(datetime(2027, 12, 31, 18, 0, tzinfo=UTC)), site.day(NOTHING), *site.days(2)]
    desk.deliver(day_after(site), {desk.put(file): "accepted" for file in files}, enrolled)
    story = """The last day of the year is closed early and goes on in a second file; the next year begins at its own
    midnight. Numbers, registers and periods go on as if nothing had happened."""
    return desk.case("year-end", story, 4 * 5)


def clock_across_midnight() -> Case:
    desk, site = Papers(), new_site("clock", datetime(2027, 3, 1, tzinfo=UTC))
    enrolled = desk.enrol(site, site.since)
    forth, back = site.since + timedelta(hours=23), site.since + DAY + timedelta(minutes=50)
    files = [
        site.day(steps=(ClockStep(at=forth, seconds=3600),)),
        site.day(
            steps=(ClockStep(at=back, seconds=-3600),),
            anomalies=(Anomaly(code="late_entries", detail="2 exchange(s) ended before this period"),),
        ),
        site.day(sealed_at=site.since + DAY - timedelta(minutes=3)),
        site.day(),
    ]
    names = [desk.put(file) for file in files]
    desk.deliver(day_after(site), dict.fromkeys(names, "accepted"), enrolled)
    story = """Shortly before midnight the clock is set an hour forth, and after it an hour back. Each step is in the
    file of its day; what came late is in the next file, and counts. One day is sealed before it is over
    by its own date."""
    doubts = {
        (names[0], "clock_stepped"),
        (names[1], "clock_stepped"),
        (names[1], "site_says"),
        (names[2], "sealed_early"),
    }
    return desk.case("clock-across-midnight", story, 4 * 5, frozenset(doubts))


def key_changed() -> Case:
    desk, site = Papers(), new_site("rekeyed", datetime(2027, 3, 1, tzinfo=UTC))
    enrolled = desk.enrol(site, site.since)
    files = site.days(5)
    desk.deliver(day_after(site), {desk.put(file): "accepted" for file in files[:3]}, enrolled)
    old, site = site, renewed(site, case_key("rekeyed anew"))
    again = desk.enrol(site, site.since)
    anew = site.days(2)
    stale = old.day()
    desk.deliver(
        day_after(site),
        {desk.put(file): "accepted" for file in [*files[3:], *anew]} | {desk.put(stale, "old-key"): "unknown_key"},
        again,
    )
    story = """After five days the site enrols another key in the same epoch. Its first file under the new key names
    the last one under the old, and so vouches for the two that had not been delivered. What the old key
    signs from then on is nobody's."""
    return desk.case("key-changed", story, 7 * 5)


ORDINARY = (
    ordinary_month, month_with_outage, zero_days, leap_day, year_end, clock_across_midnight, key_changed
)  # fmt: skip
