"""The events that webhooks are told of: one table, from which the page is made; and which audit entries make one.

An event says what happened to which thing, never what was said in a call, and no secret: its facts are those of the
audit trail, or figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from appliance.observe.audit import Entry

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventKind:
    """`acts`: the audit entries that it follows from; none where it is told of by itself. `example` is its data."""

    meaning: str
    example: Data
    acts: tuple[str, ...] = ()


def _act(act: str, subject: str, who: str = "anna", **more: Any) -> Data:
    return {"act": act, "who": who, "subject": subject, "before": None, "after": None, "detail": {}, "seq": 41} | more


_CONFIG: Final = "sha256:7d1f…"

EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {
        "key.auto_paused": EventKind(
            "A key was paused because it is used as a leaked key would be. `detail` has score, threshold and signals.",
            _act(
                "key.auto_pause",
                "key_1a2b3c4d5e6f 'billing-bot' of bank/payments: new network 10.99.3.0/24",
                who="anomaly watch",
                detail={"score": 95, "threshold": 70, "key": "key_1a2b3c4d5e6f", "signals": "new network 10.99.3.0/24"},
            ),
            ("key.auto_pause",),
        ),
        "key.suspected": EventKind(
            "The same in shadow mode: the key would have been paused and was not.",
            _act(
                "key.suspect",
                "key_1a2b3c4d5e6f 'billing-bot' of bank/payments: new network 10.99.3.0/24",
                who="anomaly watch",
                detail={"score": 75, "threshold": 70, "key": "key_1a2b3c4d5e6f", "signals": "new network 10.99.3.0/24"},
            ),
            ("key.suspect",),
        ),
        "key.paused": EventKind(
            "Somebody paused a key.",
            _act("key.pause", "key_1a2b3c4d5e6f 'billing-bot': seen in a repository"),
            ("key.pause",),
        ),
        "key.resumed": EventKind(
            "A paused key works again.", _act("key.resume", "key_1a2b3c4d5e6f 'billing-bot'"), ("key.resume",)
        ),
        "key.created": EventKind(
            "A key was made, or taken over from another gateway.",
            _act("key.create", "key_1a2b3c4d5e6f 'billing-bot' of bank/payments"),
            ("key.create", "key.import"),
        ),
        "key.changed": EventKind(
            "A key was moved, or may be used otherwise.",
            _act("key.change", "key_1a2b3c4d5e6f 'billing-bot': team: payments → cards"),
            ("key.change",),
        ),
        "key.rotated": EventKind(
            "A key has a successor.",
            _act("key.rotate", "key_1a2b3c4d5e6f 'billing-bot': key_6f5e4d3c2b1a follows"),
            ("key.rotate",),
        ),
        "key.revoked": EventKind(
            "A key has ended for good.", _act("key.revoke", "key_1a2b3c4d5e6f 'billing-bot'"), ("key.revoke",)
        ),
        "quota.exhausted": EventKind(
            "A budget of a day or a month was used up, and a key's call refused for it. Once a key and day.",
            {"key": "key_1a2b3c4d5e6f", "name": "billing-bot", "org": "bank", "team": "payments"},
        ),
        "licence.imported": EventKind(
            "A licence was put in force.",
            _act("licence.import", "licence serial 4, key epoch 1", after=_CONFIG),
            ("licence.import",),
        ),
        "licence.rung_changed": EventKind(
            "The site stands on another rung of the licence ladder.",
            {"before": "valid", "rung": "grace", "sentence": "The licence expired 1 day ago.", "days_left": -1},
        ),
        "licence.expiring": EventKind(
            "The licence ends in 30, 14, 7, 3 or 1 days. Once each.",
            {"days_left": 14, "expires_at": "2027-06-30T00:00:00Z"},
        ),
        "certificate.changed": EventKind(
            "The gateway presents another certificate, or was made to take it up anew.",
            _act("tls.reload", "SHA-256 5A:1C:…:7F, until 2028-06-01"),
            ("tls.reload",),
        ),
        "certificate.expiring": EventKind(
            "The gateway's own certificate, or one of its signers', ends in 30, 14, 7, 3 or 1 days, or has. Once each.",
            {"days_left": 14, "expires_at": "2027-06-30T00:00:00Z", "sha256": "5A:1C:…:7F"},
        ),
        "clock.stepped": EventKind(
            "The host's clock was set, by so many seconds.", {"at": "2027-03-01T10:00:00Z", "seconds": -3600}
        ),
        "config.activated": EventKind(
            "A config was put in force, a new one or one of before. `before` and `after` are digests.",
            _act("config.import", "config serial 7, key epoch 1", before=_CONFIG, after="sha256:99ab…"),
            ("config.import", "config.rollback"),
        ),
        "trust.changed": EventKind(
            "A trust document was put in force.",
            _act("trust.import", "root serial 2, key epoch 1", after=_CONFIG),
            ("trust.import",),
        ),
        "usage.sealed": EventKind(
            "A period's usage was sealed into a file that is to be given to the vendor.",
            {"seq": 12, "period_end": "2027-03-01T00:00:00Z", "digest": "sha256:12cd…"},
        ),
        "usage.overdue": EventKind(
            "A usage report is due soon, or overdue. Once a day.",
            {"due": "2027-03-05T00:00:00Z", "overdue": False, "sentence": "A usage report is due in 3 days."},
        ),
        "media.exchanged": EventKind(
            "Documents came in from, or went out to, a medium.",
            _act("media.exchange", "STICK-7 (vfat)", detail={"operator": "anna", "taken": 2, "written": 3}),
            ("media.exchange",),
        ),
        "team.changed": EventKind(
            "An org or a team was made, deleted, or capped otherwise; or how its keys are watched.",
            _act("team.limit", "'bank'/'payments': rpm 60 → rpm 120"),
            (
                *("org.create", "org.delete", "org.limit", "team.create", "team.delete", "team.limit", "key.limit"),
                "anomaly.set",
            ),
        ),
        "login.refused": EventKind(
            "Somebody tried to sign in and was refused: wrong words, or held back for a while after too many such.",
            _act("login.refused", "anna", who="nobody", detail={"from": "10.0.0.7", "the_next": "held back"}),
            ("login.refused", "login.held"),
        ),
        "webhook.test": EventKind(
            "Somebody asked for it: ao webhooks test. It goes to that address only.", {"address": "siem"}
        ),
    }
)
_OF_ACT: Final = MappingProxyType({act: name for name, kind in EVENTS.items() for act in kind.acts})


def event_of(entry: Entry) -> tuple[str, Data] | None:
    """The event that an entry of the audit trail makes."""
    name = _OF_ACT.get(entry.act)
    if name is None:
        return None
    told = ("act", "who", "subject", "before", "after", "detail", "seq")
    return name, {each: getattr(entry, each) for each in told}


def page_table() -> str:
    """The table and the examples of the page of events, as Markdown."""
    lines = ["| event | when |", "|---|---|"]
    lines += [f"| `{name}` | {kind.meaning} |" for name, kind in EVENTS.items()]
    for name, kind in EVENTS.items():
        body = {
            "id": "20270301100000-a41",
            "event": name,
            "at": "2027-03-01T10:00:00Z",
            "site": "acme-berlin",
            "data": dict(kind.example),
        }
        lines += ["", f"### {name}", "", "```json", json.dumps(body, indent=2, ensure_ascii=False), "```"]
    return "\n".join(lines) + "\n"
