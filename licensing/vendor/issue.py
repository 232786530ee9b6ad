"""A licence for a site that has introduced itself.

Promise: pure. `require_enrollable` decides whether a request may be believed beside what is remembered of the site;
`build` turns terms and a verified request into the licence's claims; `sign_licence` makes the bytes and does not let
them go before they open again under the vendor's own trust, or are marked as still lacking signatures. Time, serial and
id are arguments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import ValidationError

from licensing.algorithms import PublicKey, digest
from licensing.binding import Binding, Hardware
from licensing.document import Verified, first_fault, format_time
from licensing.edition import EDITIONS, EditionName
from licensing.envelope import Signer
from licensing.keyfile import RandomBytes
from licensing.licence import Caps, Delegation, Licence, UsageDuty, open_licence
from licensing.site_request import SiteRequest
from licensing.strict_json import canonical
from licensing.trust import KeyRecord, Trust
from licensing.vendor.countersign import Countersigned, sign_together
from licensing.vendor.errors import EnrolmentRefused, SiteChanged, TermsRefused

LAST_EXPIRY: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Whoever adds days of grace to an expiry must not run off the end of the calendar in the year 9999."""
FIRST_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Whoever takes a tolerance from a beginning must not run off its start."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What was asked for, as it was asked: what is None takes its default when the licence is built."""

    customer: str
    edition: EditionName
    models: tuple[str, ...]
    add_ons: tuple[str, ...] = ()
    expires: datetime | None = None
    days: int | None = None
    not_before: datetime | None = None
    licence: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    seats: int | None = None
    grace_days: int = 0
    clock_tolerance_seconds: int = 300
    report_every_days: int | None = None
    when_overdue: Literal["warn", "block"] = "warn"
    bind_hardware: int | None = None
    delegate_config: tuple[PublicKey, ...] = ()
    delegate_threshold: int | None = None

    def digest_for(self, request: Verified[SiteRequest]) -> str:
        """The same for the same terms on the same request: by it, an issue that was cut short is taken up again."""
        asked = {
            name: format_time(value) if isinstance(value, datetime) else value
            for name, value in dataclasses.asdict(self).items()
        }
        asked["delegate_config"] = [key.keyid for key in self.delegate_config]
        return digest(canonical({"terms": asked, "request": request.digest}))


def require_enrollable(
    request: SiteRequest,
    *,
    current: tuple[PublicKey, int] | None,
    owners: frozenset[str],
    re_enrol: bool,
) -> bool:
    """Whether the site must be enrolled with this request (no: it is, with this key and epoch).

    `current` is the key and epoch remembered for the site, `owners` the sites that ever used this key. Raises
    SiteChanged, EnrolmentRefused.
    """
    key = request.key.key
    if others := owners - {request.site}:
        raise EnrolmentRefused(
            f"The key in this request belongs to site {min(others)!r}: one of the two is a copy of the other.",
            remedy="Have the copied site make a key of its own and send a fresh request.",
        )
    if current is None:
        return True
    known_key, known_epoch = current
    if (key, request.epoch) == (known_key, known_epoch):
        return False
    if not re_enrol:
        changed = "another key" if key != known_key else "the same key"
        raise SiteChanged(
            f"Site {request.site!r} is known with key {known_key.keyid[:12]} in epoch {known_epoch}; the request "
            f"presents {changed} ({key.keyid[:12]}) in epoch {request.epoch}."
        )
    return True


def build(
    terms: Terms,
    request: SiteRequest,
    *,
    serial: int,
    now: datetime,
    random: RandomBytes,
    delegated_before: Sequence[Delegation] = (),
) -> Licence:
    """The licence's claims. Caps that the terms leave open are the edition's. `delegated_before` are the delegations of
    the site's earlier licences, the last one last. Raises TermsRefused."""
    not_before = terms.not_before or now
    if not_before < FIRST_BEGINNING:
        raise TermsRefused(f"The licence would begin before {format_time(FIRST_BEGINNING)}.")
    expires_at = _expiry(terms, not_before)
    if expires_at <= now:
        raise TermsRefused(f"The licence would have expired already, on {format_time(expires_at)}.")
    edition = EDITIONS[terms.edition]
    try:
        return Licence(
            schema_version=1,
            serial=serial,
            issued_at=now,
            licence=terms.licence or f"lic-{random(8).hex()}",
            customer=terms.customer,
            binding=Binding(
                site=request.site,
                key=request.key.key.keyid,
                epoch=request.epoch,
                hardware=_hardware(terms, request),
            ),
            edition=terms.edition,
            add_ons=terms.add_ons,
            caps=Caps(
                rpm=edition.rpm if terms.rpm is None else terms.rpm,
                tpm=edition.tpm if terms.tpm is None else terms.tpm,
                seats=terms.seats,
            ),
            models=terms.models,
            not_before=not_before,
            expires_at=expires_at,
            grace_days=terms.grace_days,
            clock_tolerance_seconds=terms.clock_tolerance_seconds,
            usage=(
                None
                if terms.report_every_days is None
                else UsageDuty(report_every_days=terms.report_every_days, when_overdue=terms.when_overdue)
            ),
            config_delegation=_delegation(terms, delegated_before),
        )
    except ValidationError as error:
        raise TermsRefused(f"These terms make no licence: {first_fault(error)}.") from error


def require_free_id(licence: str, site: str, holders: frozenset[str]) -> None:
    """A renewal may keep its licence's id; another site's licence may not have it, or both would be revoked at once."""
    if others := holders - {site}:
        raise TermsRefused(f"Licence {licence!r} was issued to site {min(others)!r}.", remedy="Choose another id.")


def sign_licence(claims: Licence, signers: Sequence[Signer], trust: Trust) -> Countersigned:
    """The licence's file, as those who are here sign it."""
    signed = sign_together(Licence.payload_type(), claims.to_bytes(), signers, trust, "licence")
    if signed.quorum.complete:
        open_licence(signed.document, trust)
    return signed


def require_delegable(terms: Terms, trust: Trust) -> None:
    """An officer's key is nobody else's: neither the vendor's, nor one that was revoked. Raises TermsRefused."""
    for key in terms.delegate_config:
        if key.keyid in trust.revoked.keys:
            raise TermsRefused(f"Key {key.keyid[:12]} is revoked; a site would not believe it.")
        if key.keyid in trust.keys:
            raise TermsRefused(f"Key {key.keyid[:12]} is the vendor's own.", remedy="Name the officers' public keys.")


def _hardware(terms: Terms, request: SiteRequest) -> Hardware | None:
    if terms.bind_hardware is None:
        return None
    if terms.bind_hardware > len(request.hardware):
        named = ", ".join(sorted(request.hardware)) or "none"
        raise TermsRefused(
            f"{terms.bind_hardware} facts of the hardware should hold; the request names {len(request.hardware)} "
            f"({named}).",
            remedy="Bind to fewer facts, or ask the site for a request that names more.",
        )
    return Hardware(facts=request.hardware, need=terms.bind_hardware)


def _delegation(terms: Terms, before: Sequence[Delegation]) -> Delegation | None:
    """The officers' keys. Their epoch rises beyond every earlier one when the keys are not those delegated to last."""
    if not terms.delegate_config:
        if terms.delegate_threshold is not None:
            raise TermsRefused("A threshold of officers was given, and no officer's key.")
        return None
    last = max((each.epoch for each in before), default=0)
    unchanged = bool(before) and {record.key for record in before[-1].keys} == set(terms.delegate_config)
    return Delegation(
        keys=tuple(KeyRecord(algorithm=key.algorithm, public=key.public) for key in terms.delegate_config),
        threshold=1 if terms.delegate_threshold is None else terms.delegate_threshold,
        epoch=last if unchanged else last + 1,
    )


def _expiry(terms: Terms, not_before: datetime) -> datetime:
    if (terms.expires is None) == (terms.days is None):
        raise TermsRefused("A licence needs either a date of expiry or a number of days, and not both.")
    try:
        expires_at = terms.expires or not_before + timedelta(days=terms.days or 0)
    except OverflowError as error:
        raise TermsRefused("The licence would run beyond the calendar.") from error
    if expires_at > LAST_EXPIRY:
        raise TermsRefused(f"The licence would run beyond {format_time(LAST_EXPIRY)}.")
    return expires_at
