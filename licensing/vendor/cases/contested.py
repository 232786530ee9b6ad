"""Cases in which something went back, was doubled, was changed or is missing: by accident or on purpose, it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from licensing.envelope import Envelope, parse, to_json
from licensing.usage import Admission, Counts, Row, totals_by_model
from licensing.vendor.cases.case import Case
from licensing.vendor.cases.case_site import DAY, CaseSite, case_key, changing
from licensing.vendor.cases.ordinary import EPOCH, new_site
from licensing.vendor.cases.papers import Papers, day_after

LATER = 20270309060000
MARCH = datetime(2027, 3, 1, tzinfo=UTC)


def _accepted(desk: Papers, files: list[bytes], mark: str = "") -> dict[str, str]:
    return {desk.put(file, mark): "accepted" for file in files}


def database_restored() -> Case:
    desk, site = Papers(), new_site("restored", MARCH)
    enrolled = desk.enrol(site, site.since)
    files = site.days(5)
    backup = site.copied()
    files += site.days(2)
    desk.deliver(day_after(site), _accepted(desk, files[:6]), enrolled)
    site = backup.restored(LATER, datetime(2027, 3, 9, 6, 0, tzinfo=UTC))
    again = desk.enrol(site, site.since)
    first, second = site.day(), site.day()
    desk.deliver(day_after(site), {desk.put(first): "restored", desk.put(second): "accepted"}, again)
    desk.deliver(day_after(site) + DAY, _accepted(desk, files[6:]))
    story = """The database is lost on the ninth and restored, as it should be, from a backup of the fifth. The new
    epoch names where the backup ended; the vendor, who holds file 6, says which files the restored state
    does not know. File 7 of the lost state lay on a medium and comes late; it still counts."""
    return desk.case("database-restored", story, 9 * 5)


def nothing_lost_in_a_restore() -> Case:
    desk, site = Papers(), new_site("restored-whole", MARCH)
    enrolled = desk.enrol(site, site.since)
    files = site.days(5)
    desk.deliver(day_after(site), _accepted(desk, files[:3]), enrolled)
    site = site.restored(LATER, datetime(2027, 3, 9, 6, 0, tzinfo=UTC))
    again = desk.enrol(site, site.since)
    verdicts = {desk.put(site.day()): "new_epoch"} | _accepted(desk, files[3:])
    desk.deliver(day_after(site), verdicts, again)
    story = """A site is restored from a backup that has everything the lost state had sealed. What had not been
    delivered of the old epoch comes with the first file of the new one, and nothing is missing."""
    return desk.case("restored-without-loss", story, 6 * 5)


def database_copied_back() -> Case:
    desk, site = Papers(), new_site("copied-back", MARCH)
    enrolled = desk.enrol(site, site.since)
    files = site.days(3)
    copy = site.copied()
    files += site.days(2)
    desk.deliver(day_after(site), _accepted(desk, files), enrolled)
    again = [copy.day({("support", "acme-small"): 1}) for _ in range(2)]
    beyond = copy.day()
    verdicts = {desk.put(file, "again"): "fork" for file in again}
    desk.deliver(day_after(copy), verdicts | {desk.put(beyond, "again"): "fork"})
    story = """Somebody copies an old database file back without ao restore. The site seals days 4 and 5 a second
    time, with other content, and goes on from there: a fork, kept as evidence. What was accepted stands."""
    return desk.case("database-copied-back", story, 5 * 5)


def appliance_cloned() -> Case:
    desk, site = Papers(), new_site("cloned", MARCH)
    enrolled = desk.enrol(site, site.since)
    desk.deliver(day_after(site) + 3 * DAY, _accepted(desk, site.days(3)), enrolled)
    clone = site.copied()
    mine = [desk.put(file, "a") for file in site.days(2)]
    theirs = [desk.put(clone.day({("support", "acme-small"): 4}), "b") for _ in range(2)]
    desk.deliver(day_after(site), dict.fromkeys([*mine, *theirs], "fork"))
    desk.deliver(day_after(site) + DAY, dict.fromkeys(mine, "accepted"))
    desk.deliver(day_after(site) + 2 * DAY, dict.fromkeys(theirs, "fork"))
    story = """The virtual machine is cloned and both run. Their files come together: two heads on one parent, and
    neither is accepted. The desk finds out which appliance is the real one and takes its files alone; the
    other's stay evidence."""
    return desk.case("appliance-cloned", story, 5 * 5)


def file_edited() -> Case:
    desk, site = Papers(), new_site("edited", MARCH)
    enrolled = desk.enrol(site, site.since)
    first, second = site.days(2)
    envelope = parse(second)
    fewer = envelope.body.replace(b'"requests":3', b'"requests":1')
    edited = to_json(Envelope(envelope.payload_type, fewer, envelope.signatures))
    desk.deliver(day_after(site), {desk.put(first): "accepted", desk.put(edited, "edited"): "edited"}, enrolled)
    desk.deliver(day_after(site) + DAY, _accepted(desk, [second]))
    story = """Three calls become one on the way to the vendor. The signature no longer fits; the file as it was
    sealed is accepted afterwards."""
    return desk.case("file-edited", story, 2 * 5)


def file_replayed() -> Case:
    desk, site = Papers(), new_site("replayed", MARCH)
    enrolled = desk.enrol(site, site.since)
    files = site.days(3)
    verdicts = _accepted(desk, files)
    desk.deliver(day_after(site), verdicts, enrolled)
    copy = desk.put(files[1], "copy")
    desk.deliver(day_after(site) + DAY, dict.fromkeys([*verdicts, copy], "already_accepted"))
    return desk.case("file-replayed", "All files come again, one of them twice. Nothing is counted twice.", 3 * 5)


def day_deleted() -> Case:
    desk, site = Papers(), new_site("deleted", MARCH)
    enrolled = desk.enrol(site, site.since)
    first, second = site.days(2)
    forged = site.copied()
    forged.since += DAY
    third, *rest = site.days(3)
    names = [desk.put(file) for file in rest]
    papered = {desk.put(forged.day(), "renumbered"): "inconsistent"}
    desk.deliver(day_after(site), _accepted(desk, [first, second]) | dict.fromkeys(names, "gap"), enrolled)
    desk.deliver(day_after(site) + DAY, papered)
    desk.deliver(day_after(site) + 2 * DAY, _accepted(desk, [third]) | dict.fromkeys(names, "accepted"))
    story = """The third day's file is left out: what follows it waits. Renumbering the fourth day as the third
    leaves a hole in time. When the third comes, everything does."""
    return desk.case("day-deleted", story, 5 * 5)


def registers_reset() -> Case:
    desk, site = Papers(), new_site("reset", MARCH)
    enrolled = desk.enrol(site, site.since)
    files = site.days(3)
    liar = site.copied()
    liar.registers = {}
    desk.deliver(
        day_after(site) + DAY, _accepted(desk, files) | {desk.put(liar.day(), "reset"): "register_fell"}, enrolled
    )
    desk.deliver(day_after(site) + 2 * DAY, _accepted(desk, [site.day()]))
    story = """A file whose registers begin at nothing again is refused, although its days add up and its number is
    the next."""
    return desk.case("registers-reset", story, 4 * 5)


def state_made_anew() -> Case:
    desk, site = Papers(), new_site("anew", MARCH)
    enrolled = desk.enrol(site, site.since)
    desk.deliver(day_after(site) + 3 * DAY, _accepted(desk, site.days(3)), enrolled)
    site = new_site("anew", datetime(2027, 3, 9, 6, 0, tzinfo=UTC), LATER)
    early = site.copied()
    desk.deliver(day_after(site), {desk.put(early.day(), "early"): "unknown_key"})
    again = desk.enrol(site, site.since)
    desk.deliver(day_after(site) + DAY, {desk.put(site.day()): "new_state"}, again)
    story = """The state folder is deleted and made anew, without a backup. Nothing of the new epoch is believed
    before the desk has enrolled it; then it counts, and what was never reported of the old one is named."""
    return desk.case("state-made-anew", story, 4 * 5)


def other_sites_name() -> Case:
    desk, site = Papers(), new_site("honest", MARCH)
    other = CaseSite("borrower", EPOCH, case_key("borrower"), MARCH)
    enrolled, second = desk.enrol(site, site.since), desk.enrol(other, site.since)
    mine = site.day()
    theirs = other.day(change=changing(site="honest"))
    stranger = CaseSite("stranger", EPOCH, case_key("stranger"), MARCH, licence=site.licence).day()
    verdicts = {
        desk.put(mine): "accepted",
        desk.put(theirs, "borrowed-name"): "wrong_site",
        desk.put(stranger, "stranger"): "unknown_site",
    }
    desk.deliver(day_after(site), verdicts, enrolled, second)
    story = "One site signs in another's name, and one that nobody enrolled sends a file."
    return desk.case("other-sites-name", story, 5)


def more_than_licensed() -> Case:
    desk, site = Papers(), new_site("busy", MARCH)
    enrolled = desk.enrol(site, site.since, rpm=1)
    usual = site.until(MARCH + timedelta(hours=1))
    copy = site.copied()
    many = site.until(MARCH + timedelta(hours=1, minutes=10), {("research", "acme-large"): 30})
    unlicensed = copy.until(
        MARCH + timedelta(hours=2),
        change=changing(admissions=(Admission(licence_serial=9, config_serial=1, requests=5),)),
    )
    names = [desk.put(many, "many"), desk.put(unlicensed, "unlicensed")]
    desk.deliver(day_after(site), {desk.put(usual): "accepted", names[1]: "licence_unknown"}, enrolled)
    desk.deliver(day_after(site) + DAY, {names[0]: "accepted"})
    story = """A licence for one call a minute, and thirty calls in ten minutes: the file adds up and counts, and it
    is odd. Calls under a licence that was never issued are refused."""
    return desk.case("more-than-licensed", story, 5 + 30, frozenset({(names[0], "over_rpm")}))


def does_not_add_up() -> Case:
    desk, site = Papers(), new_site("sums", MARCH)
    enrolled = desk.enrol(site, site.since)
    first = site.day()
    honest = site.copied()
    lie = {"acme-large": Counts(requests=1), "acme-small": Counts(requests=3)}
    fewer = site.copied().day(change=lambda usage: usage.model_copy(update={"deltas": lie}))
    hidden = site.copied().day(change=lambda usage: usage.model_copy(update=_without_a_row(usage.rows)))
    verdicts = {
        desk.put(first): "accepted",
        desk.put(fewer, "fewer"): "fork",
        desk.put(hidden, "hidden"): "fork",
    }
    desk.deliver(day_after(site) + DAY, verdicts, enrolled)
    again = dict.fromkeys(list(verdicts)[1:2], "inconsistent")
    desk.deliver(day_after(site) + 2 * DAY, again)
    desk.deliver(day_after(site) + 3 * DAY, {list(verdicts)[2]: "inconsistent"})
    desk.deliver(day_after(site) + 4 * DAY, _accepted(desk, [honest.day()]))
    story = """A site signs a day whose rows do not add up to what it states, and one with a row left out. Together
    they contradict each other; alone, each contradicts itself. The honest file then counts."""
    return desk.case("does-not-add-up", story, 2 * 5)


def _without_a_row(rows: tuple[Row, ...]) -> dict[str, Any]:
    return {"rows": rows[:1], "deltas": totals_by_model(rows[:1])}


CONTESTED = (
    database_restored, nothing_lost_in_a_restore, database_copied_back, appliance_cloned, file_edited, file_replayed,
    day_deleted, registers_reset, state_made_anew, other_sites_name, more_than_licensed, does_not_add_up,
)  # fmt: skip
