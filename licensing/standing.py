"""Where a site stands on the licence ladder, and what each rung still allows.

Promise: `judge` is a pure function of licence, trust, time and site facts and answers with exactly one rung. Whatever
is missing, unreadable or unknown lands on a rung that serves no model calls: it fails closed. Nothing here reads a
clock. On every rung the console, usage export and media import go on: nobody's data is held hostage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from licensing.binding import Mismatch, SiteFacts, mismatch
from licensing.clock import TimeFloor, behind
from licensing.document import Verified, format_time
from licensing.errors import Refusal
from licensing.licence import Licence
from licensing.trust import Trust

EXPIRING_DAYS = 30
REPORT_SOON = timedelta(days=7)
"""How long before a report is due the site is told, but no longer than a quarter of what it has for it."""


class Rung(StrEnum):
    VALID = "valid"
    EXPIRING = "expiring"
    GRACE = "grace"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    WRONG_SITE = "wrong_site"
    WRONG_EPOCH = "wrong_epoch"
    CLOCK_UNTRUSTED = "clock_untrusted"
    USAGE_OVERDUE = "usage_overdue"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rung means: may models be called, may a new config be activated, and how a refusal shows itself."""

    serves: bool
    config_import: bool
    http_status: int
    exit_code: int
    remedy: str


_RENEW = (
    "Carry a usage file and a site request to the vendor and import the licence that comes back: ao licence import."
)

TERMS: Mapping[Rung, Terms] = MappingProxyType(
    {
        Rung.VALID: Terms(True, True, 200, 0, "Nothing to do."),
        Rung.EXPIRING: Terms(True, True, 200, 0, "Order the renewal now. " + _RENEW),
        Rung.GRACE: Terms(True, False, 200, 0, "The config is frozen until a licence is renewed. " + _RENEW),
        Rung.EXPIRED: Terms(False, False, 403, 23, _RENEW),
        Rung.NOT_YET_VALID: Terms(False, True, 403, 22, "Wait for the date, or check this host's clock."),
        Rung.REVOKED: Terms(False, False, 403, 24, "Call the vendor: this licence was withdrawn."),
        Rung.WRONG_SITE: Terms(False, False, 403, 25, "Send this site's request (ao site request) for a licence."),
        Rung.WRONG_EPOCH: Terms(False, False, 403, 26, "Send a fresh site request (ao site request) for a licence."),
        Rung.CLOCK_UNTRUSTED: Terms(
            False, False, 503, 27, "Set this host's clock to the true time, then run: ao status."
        ),
        Rung.USAGE_OVERDUE: Terms(
            False, False, 403, 28, "Run ao usage export, carry the files to the vendor, import the receipt."
        ),
        Rung.MISSING: Terms(False, False, 503, 20, "Import a licence: ao licence import FILE."),
        Rung.UNREADABLE: Terms(False, False, 503, 21, "Import the licence again from the vendor's file."),
    }
)


@dataclass(frozen=True, slots=True)
class Standing:
    """One rung, and the sentence that explains it to a person. `days_left` counts to expiry (negative: since)."""

    rung: Rung
    sentence: str
    days_left: int | None = None
    licence: Licence | None = None
    warnings: tuple[str, ...] = ()
    report_due: datetime | None = None
    """When the next report is due, from REPORT_SOON before it on."""

    @property
    def terms(self) -> Terms:
        return TERMS[self.rung]

    @property
    def code(self) -> str:
        """The stable code of this rung wherever it is refused: `licence_expired`, `clock_untrusted` …"""
        return self.rung.value if self.rung in _CODE_OF_ITS_OWN else f"licence_{self.rung.value}"


_CODE_OF_ITS_OWN = frozenset({Rung.CLOCK_UNTRUSTED, Rung.USAGE_OVERDUE})


def judge(
    *,
    licence: Verified[Licence] | Refusal | None,
    trust: Trust,
    now: datetime,
    floor: TimeFloor,
    site: SiteFacts,
    reported_until: datetime,
) -> Standing:
    """The rung of this site at `now`.

    `licence` is the active one, or the refusal met when opening it, or None. `reported_until` is the end of the last
    period that the vendor has acknowledged (at first, when this epoch began).
    """
    if licence is None:
        return Standing(Rung.MISSING, "No licence has been imported on this site.")
    if isinstance(licence, Refusal):
        return Standing(Rung.UNREADABLE, f"The stored licence cannot be read: {licence.message}")
    claims = licence.claims
    misplaced = _out_of_place(claims, trust, site)
    if misplaced is not None:
        return misplaced
    tolerance = timedelta(seconds=claims.clock_tolerance_seconds)
    if (gap := behind(floor, now, tolerance)) is not None:
        return Standing(
            Rung.CLOCK_UNTRUSTED,
            f"This host's clock says {format_time(now)}, which is {_span(gap)} earlier than a time already seen "
            f"({format_time(floor.at)}, from {floor.source}).",
            licence=claims,
        )
    return _by_date(claims, max(now, floor.at), tolerance, reported_until)


def _out_of_place(claims: Licence, trust: Trust, site: SiteFacts) -> Standing | None:
    if claims.licence in trust.revoked.licences:
        return Standing(Rung.REVOKED, f"Licence {claims.licence} was revoked by the vendor.", licence=claims)
    found = mismatch(claims.binding, site)
    if found is None:
        return None
    what, sentence = found
    return Standing(Rung.WRONG_EPOCH if what is Mismatch.EPOCH else Rung.WRONG_SITE, sentence, licence=claims)


def _by_date(claims: Licence, now: datetime, tolerance: timedelta, reported_until: datetime) -> Standing:
    if now < claims.not_before - tolerance:
        return Standing(Rung.NOT_YET_VALID, f"The licence begins on {format_time(claims.not_before)}.", licence=claims)
    days_left = (claims.expires_at - now).days
    if now >= claims.expires_at + timedelta(days=claims.grace_days) + tolerance:
        return Standing(
            Rung.EXPIRED,
            f"The licence expired on {format_time(claims.expires_at)} and its {claims.grace_days} days of grace "
            "are over.",
            days_left,
            claims,
        )
    due, told, blocks = _report(claims, now, tolerance, reported_until)
    if blocks:
        return Standing(Rung.USAGE_OVERDUE, told, days_left, claims, report_due=due)
    warnings = (told,) if told else ()
    if now >= claims.expires_at + tolerance:
        ends = claims.expires_at + timedelta(days=claims.grace_days)
        return Standing(
            Rung.GRACE,
            f"The licence expired on {format_time(claims.expires_at)}; grace ends on {format_time(ends)}.",
            days_left,
            claims,
            warnings,
            due,
        )
    if claims.expires_at - now <= timedelta(days=EXPIRING_DAYS):
        return Standing(
            Rung.EXPIRING,
            f"The licence expires on {format_time(claims.expires_at)}, in {max(days_left, 0)} days.",
            days_left,
            claims,
            warnings,
            due,
        )
    return Standing(
        Rung.VALID, f"The licence is valid until {format_time(claims.expires_at)}.", days_left, claims, warnings, due
    )


def _report(
    claims: Licence, now: datetime, tolerance: timedelta, reported_until: datetime
) -> tuple[datetime | None, str, bool]:
    """When the next report is due, the sentence about it, and whether its lateness stops the site. Nothing while it is
    far off."""
    duty = claims.usage
    if duty is None:
        return None, "", False
    allowed = timedelta(days=duty.report_every_days)
    due = reported_until + allowed
    so_far = (
        f"Usage is acknowledged up to {format_time(reported_until)}; the licence asks for a report every "
        f"{duty.report_every_days} days"
    )
    if now > due + tolerance:
        return due, f"{so_far}.", duty.when_overdue == "block"
    if now < due - min(REPORT_SOON, allowed / 4):
        return None, "", False
    then = "no model call is answered after that" if duty.when_overdue == "block" else "it is late after that"
    return due, f"{so_far}. The next is due by {format_time(due)}, and {then}.", False


def _span(gap: timedelta) -> str:
    if gap >= timedelta(days=2):
        return f"{gap.days} days"
    if gap >= timedelta(hours=2):
        return f"{int(gap.total_seconds() // 3600)} hours"
    return f"{int(gap.total_seconds())} seconds"
