"""The audit trail: who did what to this site, when, and what was there before and after.

Promise: an entry is written in the transaction of the act that it records; entries are only added; each holds the
digest of the one before, and the end of the chain is sealed with a key of the site. Editing, deleting, reordering or
cutting off entries is told by `verify`, which names the first bad one. Never a prompt and never a secret: what was
imported is named by its digest. (Whoever is root and has the site's key can write any history; the security officer's
exported copies, and the heads on transfer sheets, are what that is held against.)
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime
from typing import Any, Final

from appliance.state.database import Connection
from licensing.document import format_time

FIRST: Final = "sha256:" + "0" * 64
"""What the first entry names as the one before it."""


@dataclass(frozen=True, slots=True)
class Act:
    """What is to be recorded. `act` is a verb with its object ("licence.import"), `before` and `after` are digests."""

    who: str
    act: str
    subject: str
    before: str | None = None
    after: str | None = None
    detail: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """An act as it stands in the trail."""

    seq: int
    at: str
    who: str
    act: str
    subject: str
    before: str | None
    after: str | None
    detail: Mapping[str, Any]
    previous: str
    digest: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for: an entry fits that has all of it. `act` names an act, or all below it."""

    who: str | None = None
    act: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None

    def fits(self, entry: Entry) -> bool:
        told = json.dumps([entry.subject, entry.before, entry.after, entry.detail], ensure_ascii=False)
        return (
            (self.who is None or self.who.casefold() in entry.who.casefold())
            and (self.act is None or f"{entry.act}.".startswith(f"{self.act}."))
            and (self.since is None or entry.at >= format_time(self.since))
            and (self.until is None or entry.at < format_time(self.until))
            and (self.text is None or self.text.casefold() in told.casefold())
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """`first_bad` is the seq of the first entry that is not what was written, or None; `sentence` is for a person."""

    entries: int
    head: str
    first_bad: int | None
    sentence: str


def digest_of(record: object) -> str:
    """The digest of a record as it was or is, for an entry's `before` and `after`. No secret belongs in one."""
    facts = asdict(record) if is_dataclass(record) and not isinstance(record, type) else record
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)


def append(db: Connection, seal_key: bytes, act: Act, now: datetime) -> None:
    """Adds an entry. To be called inside the transaction of the act itself."""
    last = db.execute("SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    seq, previous = (int(last["seq"]) + 1, str(last["digest"])) if last else (1, FIRST)
    written: dict[str, Any] = {"seq": seq, "at": format_time(now), **asdict(act), "previous": previous}
    digest = _digest(written)
    db.execute(
        "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            seq,
            written["at"],
            act.who,
            act.act,
            act.subject,
            act.before,
            act.after,
            _canonical(written["detail"]),
            previous,
            digest,
        ),
    )
    db.execute("INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?)", (seq, digest, _seal(seal_key, seq, digest)))


def entries(db: Connection, after: int = 0) -> Iterator[Entry]:
    """The trail in order, without checking it. `detail` that is no JSON is shown as it is."""
    for row in db.execute("SELECT * FROM audit WHERE seq > ? ORDER BY seq", (after,)):
        yield Entry(**{**dict(row), "detail": _detail(row["detail"])})


def head(db: Connection) -> str:
    """The digest of the last entry: whoever has noted it can tell later that nothing before it was rewritten."""
    last = db.execute("SELECT digest FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return str(last["digest"]) if last else FIRST


def verify(db: Connection, seal_key: bytes) -> Verdict:
    """Whether the trail is what was written."""
    expected, previous = 1, FIRST
    for entry in entries(db):
        found = fault(entry, expected, previous)
        if found is not None:
            return Verdict(expected - 1, previous, expected, found)
        expected, previous = expected + 1, entry.digest
    count = expected - 1
    sealed = db.execute("SELECT seq, digest, seal FROM audit_head").fetchone()
    if sealed is None and count == 0:
        return Verdict(0, FIRST, None, "The trail is empty, as it was made.")
    if sealed is None or not hmac.compare_digest(
        bytes(sealed["seal"]), _seal(seal_key, sealed["seq"], sealed["digest"])
    ):
        return Verdict(count, previous, count, "The seal over the end of the trail is not this site's.")
    if (sealed["seq"], sealed["digest"]) != (count, previous):
        return Verdict(
            count, previous, expected, f"The trail ends at entry {count}; it was sealed at entry {sealed['seq']}."
        )
    return Verdict(count, previous, None, f"All {count} entries are as they were written.")


def fault(entry: Entry, expected: int, previous: str) -> str | None:
    """Why this is not the entry of that number after the one with that digest; None where it is."""
    if entry.seq != expected:
        return f"Entry {expected} is missing; entry {entry.seq} follows."
    if entry.previous != previous:
        return f"Entry {expected} does not follow the entry before it."
    written = {name: value for name, value in entry.as_dict().items() if name != "digest"}
    if entry.digest != _digest(written):
        return f"Entry {expected} was changed after it was written."
    return None


def _detail(text: str) -> Mapping[str, Any]:
    try:
        detail = json.loads(text)
    except ValueError:
        return {"unreadable": text}
    return detail if isinstance(detail, dict) else {"unreadable": text}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _digest(written: Mapping[str, Any]) -> str:
    return "sha256:" + hashlib.sha256(_canonical(dict(written)).encode("ascii")).hexdigest()


def _seal(key: bytes, seq: int, digest: str) -> bytes:
    return hmac.digest(key, f"audit\n{seq}\n{digest}".encode(), "sha256")
