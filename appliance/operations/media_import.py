"""Taking in what a medium holds for this site: each document read once, verified, shown, agreed to, put in force.

In the order in which one vouches for the next: trust, time, licence, config, receipts. What is refused is named with
its code and stays where it is; the rest goes on, since every document stands on its own signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from appliance.config.secrets import SecretLookup
from appliance.errors import LicenceRefused
from appliance.operations.config import activate_config, examine_bytes
from appliance.operations.licence import NOT_TO_BE_IMPORTED, consequences, judge_licence, take_licence
from appliance.operations.time import documents_ahead, take_time_token
from appliance.operations.trust import examine_trust, take_trust
from appliance.operations.usage import take_receipt
from appliance.state.site import Site
from licensing.algorithms import digest
from licensing.document import format_time
from licensing.envelope import parse
from licensing.errors import Refusal
from licensing.ratchet import Arrival
from licensing.receipt import open_receipt
from licensing.time_token import open_time_token
from media.beneath import Beneath
from media.inbox import Found, look

Outcome = Literal["new", "same", "declined", "refused"]

Agree = Callable[[str, Sequence[str]], bool]
"""Shows what a document would change, a title and lines, and asks."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file. `digest` is of the file's bytes; `refusal` is there where it was refused."""

    kind: str
    name: str
    size: int
    digest: str
    outcome: Outcome
    title: str
    lines: tuple[str, ...] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a document would do here: nothing, or `act` after somebody has agreed to `lines`."""

    title: str
    lines: tuple[str, ...] = ()
    act: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What the import needs of its surroundings: the site, its secrets, the time, randomness for a new challenge."""

    site: Site
    secrets: SecretLookup
    now: datetime
    entropy: bytes


def import_medium(desk: Desk, root: Beneath, agree: Agree) -> list[Taken]:
    """Takes in everything that is addressed to this site. Raises MediaError where the medium itself cannot be read."""
    inbox = look(root, "to-site", desk.site.id)
    taken = [_take(desk, root, found, agree) for found in inbox.found]
    return [*taken, *(_refused(each.where, each) for each in inbox.refused)]


def inspect_medium(desk: Desk, root: Beneath) -> list[Taken]:
    """The same without changing anything: what is new would be asked for. Later documents are judged by what is in
    force now, so that a licence under a new trust shows as refused until that trust is taken in."""
    return import_medium(desk, root, lambda _title, _lines: False)


def _take(desk: Desk, root: Beneath, found: Found, agree: Agree) -> Taken:
    try:
        data = found.read(root)
    except Refusal as refusal:
        return _refused(found.name, refusal, kind=found.kind)
    size, file_digest = len(data), digest(data)
    try:
        step = _examine(desk, found, data)
        if step.act is None:
            return Taken(found.kind, found.name, size, file_digest, "same", step.title, step.lines)
        if not agree(step.title, step.lines):
            return Taken(found.kind, found.name, size, file_digest, "declined", step.title, step.lines)
        step.act()
    except Refusal as refusal:
        refusal.where = refusal.where or root.where(found.parts)
        return Taken(found.kind, found.name, size, file_digest, "refused", str(refusal), refusal=refusal)
    return Taken(found.kind, found.name, size, file_digest, "new", step.title, step.lines)


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
    raise ValueError(f"{found.kind} does not come in")


def _trust(desk: Desk, data: bytes) -> Step:
    step = examine_trust(desk.site, data)
    if step.arrival is Arrival.SAME:
        return Step(f"Trust version {step.version} was known already.")
    lines = (f"{step.digest}", "Documents whose signers it no longer names stop being believed.")
    return Step(
        f"Follow the vendor's trust to version {step.version}.", lines, lambda: take_trust(desk.site, data, desk.now)
    )


def _time(desk: Desk, data: bytes) -> Step:
    site = desk.site
    used = site.floor_of("time")
    if used is not None and used.digest == digest(parse(data).body):
        return Step("This time token was used already.")
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
        lines,
        lambda: take_time_token(site, data, now=desk.now, entropy=desk.entropy),
    )


def _licence(desk: Desk, data: bytes) -> Step:
    judged, _ = judge_licence(desk.site, data, desk.now)
    if judged.standing.rung in NOT_TO_BE_IMPORTED:
        raise LicenceRefused(judged.standing)
    name = f"Licence {judged.licence.licence}, serial {judged.licence.serial}"
    if judged.arrival is Arrival.SAME:
        return Step(f"{name}, was already in force.")
    lines = (judged.standing.sentence, *consequences(desk.site, judged))
    return Step(f"{name}, is put in force.", lines, lambda: take_licence(desk.site, data, desk.now))


def _config(desk: Desk, data: bytes) -> Step:
    candidate = examine_bytes(desk.site, data, desk.secrets, desk.now)
    if candidate.arrival is Arrival.SAME:
        return Step(f"Config {candidate.plan.serial_after} was already in force.")
    return Step(
        f"Config {candidate.plan.serial_after} is put in force.",
        tuple(candidate.plan.lines()),
        lambda: activate_config(desk.site, candidate, desk.now),
    )


def _receipt(desk: Desk, data: bytes) -> Step:
    site = desk.site
    receipt = open_receipt(data, site.trust(), site=site.id, epoch=site.epoch).claims
    title = f"Usage is acknowledged up to {format_time(receipt.accepted_until)}, file {receipt.seq}"
    known = site.database.execute("SELECT 1 FROM receipts WHERE serial = ?", (receipt.serial,)).fetchone()
    if known is not None and take_receipt(site, data, desk.now)[1] is Arrival.SAME:
        return Step(f"{title} (known already).")
    return Step(f"{title}.", (), lambda: take_receipt(site, data, desk.now))
