"""Taking in what a medium holds for this site: each document read once, verified, shown, agreed to, put in force.

In the order in which one vouches for the next: trust, time, licence, config, receipts. What is refused is named with
its code and stays where it is; the rest goes on, since every document stands on its own signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from appliance.access.authorise import Permission
from appliance.config.secrets import SecretLookup
from appliance.errors import LicenceRefused
from appliance.operations.config import activate_config, examine_bytes
from appliance.operations.licence import NOT_TO_BE_IMPORTED, consequences, judge_licence, take_licence
from appliance.operations.time import documents_ahead, take_time_token
from appliance.operations.trust import examine_trust, take_trust
from appliance.operations.usage import examine_receipt, take_receipt
from appliance.state.database import newest_schema
from appliance.state.site import Site
from licensing.algorithms import digest
from licensing.document import format_time
from licensing.envelope import parse
from licensing.errors import Refusal
from licensing.ratchet import Arrival
from licensing.release import open_release, serial_of
from licensing.time_token import open_time_token
from licensing.version import __version__
from media.beneath import Beneath
from media.inbox import Found, bare, look
from media.progress import Progress, untold

Outcome = Literal["new", "same", "declined", "refused"]

Agree = Callable[[str, Sequence[str]], bool]
"""Shows what a document would change, a title and lines, and asks."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file. `digest` is of the file's bytes; `refusal` is there where it was refused.

    `serial` is what the document says of itself, once its signatures were checked.
    """

    kind: str
    name: str
    size: int
    digest: str
    outcome: Outcome
    title: str
    lines: tuple[str, ...] = ()
    refusal: Refusal | None = None
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a document would do here: nothing, or `act`; where it `asks`, after somebody has agreed to `lines`."""

    title: str
    serial: int
    lines: tuple[str, ...] = ()
    act: Callable[[], object] | None = None
    asks: bool = True


@dataclass(frozen=True, slots=True)
class Desk:
    """What the import needs of its surroundings: the site, its secrets, the time, randomness for a new challenge."""

    site: Site
    secrets: SecretLookup
    now: datetime
    entropy: bytes


def import_medium(desk: Desk, root: Beneath, agree: Agree, *, progress: Progress = untold) -> list[Taken]:
    """Takes in everything that is addressed to this site. Raises MediaError where the medium itself cannot be read."""
    desk.site.require(Permission.MEDIA_WRITE)
    return _each(desk, root, progress, lambda step: _acted(step, agree))


def inspect_medium(desk: Desk, root: Beneath, *, progress: Progress = untold) -> list[Taken]:
    """What an import would do, without doing it. Later documents are judged by what is in force now, so that a licence
    under a new trust shows as refused until that trust is taken in."""
    desk.site.require(Permission.MEDIA_READ)
    return _each(desk, root, progress, lambda step: "same" if step.act is None else "new")


def _acted(step: Step, agree: Agree) -> Outcome:
    if step.act is None:
        return "same"
    if step.asks and not agree(step.title, step.lines):
        return "declined"
    step.act()
    return "new"


def _each(desk: Desk, root: Beneath, progress: Progress, decide: Callable[[Step], Outcome]) -> list[Taken]:
    inbox = look(root, "to-site", desk.site.id)
    taken = []
    for number, found in enumerate(inbox.found):
        progress(number, len(inbox.found), found.name)
        taken.append(_take(desk, root, found, decide))
    return [*taken, *(_refused(each.where, each) for each in inbox.refused)]


def _take(desk: Desk, root: Beneath, found: Found, decide: Callable[[Step], Outcome]) -> Taken:
    try:
        data = found.read(root)
    except Refusal as refusal:
        return _refused(found.name, bare(refusal), kind=found.kind)
    size, file_digest = len(data), digest(data)
    serial: int | None = None
    try:
        step = _examine(desk, found, data)
        serial = step.serial
        outcome = decide(step)
    except Refusal as refusal:
        refusal.where = refusal.where or root.where(found.parts)
        return Taken(
            found.kind, found.name, size, file_digest, "refused", str(refusal), refusal=bare(refusal), serial=serial
        )
    return Taken(found.kind, found.name, size, file_digest, outcome, step.title, step.lines, serial=serial)


def _refused(name: str | None, refusal: Refusal, *, kind: str = "") -> Taken:
    return Taken(kind, name or "", 0, "", "refused", str(refusal), refusal=refusal)


def _examine(desk: Desk, found: Found, data: bytes) -> Step:
    match found.kind:
        case "trust":
            return _trust(desk, data)
        case "time":
            return _time(desk, data)
        case "licence":
            return _licence(desk, data)
        case "config":
            return _config(desk, data)
        case "receipt":
            return _receipt(desk, data)
        case "release":
            return _release(desk, data)
    raise ValueError(f"{found.kind} does not come in")


def _trust(desk: Desk, data: bytes) -> Step:
    step = examine_trust(desk.site, data)
    if step.arrival is Arrival.SAME:
        return Step(f"Trust version {step.version} was known already.", step.version)
    return Step(
        f"Follow the vendor's trust to version {step.version}.",
        step.version,
        (step.digest, "Documents whose signers it no longer names stop being believed."),
        lambda: take_trust(desk.site, data, desk.now),
    )


def _time(desk: Desk, data: bytes) -> Step:
    site = desk.site
    used = site.floor_of("time")
    if used is not None and used.digest == digest(parse(data).body):
        return Step("This time token was used already.", used.serial)
    token = open_time_token(data, site.trust(), site=site.id, epoch=site.epoch, challenge=site.challenge).claims
    lines = (
        f"It is {format_time(site.time_floor().at)} now, from {site.time_floor().source}.",
        *(
            f"The {each.slot} in force, serial {each.serial}, is dated later: {format_time(each.issued_at)}."
            for each in documents_ahead(site, token.issued_at)
        ),
    )
    return Step(
        f"Set the time floor to {format_time(token.issued_at)}.",
        token.serial,
        lines,
        lambda: take_time_token(site, data, now=desk.now, entropy=desk.entropy),
    )


def _licence(desk: Desk, data: bytes) -> Step:
    judged, _ = judge_licence(desk.site, data, desk.now)
    if judged.standing.rung in NOT_TO_BE_IMPORTED:
        raise LicenceRefused(judged.standing)
    serial = judged.licence.serial
    name = f"Licence {judged.licence.licence}, serial {serial}"
    if judged.arrival is Arrival.SAME:
        return Step(f"{name}, was already in force.", serial)
    lines = (judged.standing.sentence, *consequences(desk.site, judged))
    return Step(f"{name}, is put in force.", serial, lines, lambda: take_licence(desk.site, data, desk.now))


def _config(desk: Desk, data: bytes) -> Step:
    candidate = examine_bytes(desk.site, data, desk.secrets, desk.now)
    serial = candidate.plan.serial_after
    if candidate.arrival is Arrival.SAME:
        return Step(f"Config {serial} was already in force.", serial)
    return Step(
        f"Config {serial} is put in force.",
        serial,
        tuple(candidate.plan.lines()),
        lambda: activate_config(desk.site, candidate, desk.now),
    )


def _release(desk: Desk, data: bytes) -> Step:
    # Only read: files are installed by a command of their own, which somebody gives on purpose.
    release = open_release(data, desk.site.trust()).claims
    if serial_of(release.version) <= serial_of(__version__):
        return Step(f"Release {release.version} is genuine; this host has {__version__}.", release.serial)
    release.require_follows(__version__, state=newest_schema())
    return Step(f"Release {release.version} is genuine, and not installed by this: ao upgrade FILE.", release.serial)


def _receipt(desk: Desk, data: bytes) -> Step:
    # Nobody is asked: it says what the vendor has, and takes nothing away.
    verified, arrival = examine_receipt(desk.site, data)
    receipt = verified.claims
    title = f"Usage is acknowledged up to {format_time(receipt.accepted_until)}, file {receipt.seq}"
    if arrival is Arrival.SAME:
        return Step(f"{title} (known already).", receipt.serial)
    return Step(f"{title}.", receipt.serial, (), lambda: take_receipt(desk.site, data, desk.now), asks=False)
