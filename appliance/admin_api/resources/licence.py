"""`/licence`: what this site may do, and until when."""

from __future__ import annotations

from typing import Any

from appliance.access.authorise import Permission
from appliance.admin_api.resources.models import Told
from appliance.admin_api.routes import OnDesk, route
from appliance.operations.licence import Candidate, activate_licence, examine_licence_bytes, standing
from licensing.ratchet import Arrival
from licensing.standing import Standing


class StandingTold(Told):
    """Where the site stands, or would stand."""

    rung: str
    code: str
    serves: bool
    sentence: str
    remedy: str
    days_left: int | None
    warnings: list[str]
    licence: dict[str, Any] | None


class LicenceTold(StandingTold):
    """`consequences`: what stops working with it, a sentence each."""

    arrival: str
    digest: str
    consequences: list[str]


@route("GET", "/licence", Permission.LICENCE_READ, "licence show")
def show_licence(desk: OnDesk) -> StandingTold:
    """The licence in force, and the rung that this site stands on."""
    return StandingTold(**_standing(standing(desk.site, desk.now)))


@route("POST", "/licence/examine", Permission.LICENCE_READ, "licence verify", document="a licence")
def examine_licence_(desk: OnDesk) -> LicenceTold:
    """What a licence would do here. Nothing is changed."""
    return _licence(examine_licence_bytes(desk.site, desk.call.body, desk.now))


@route(
    "POST", "/licence", Permission.LICENCE_WRITE, "licence import", asks_twice=True, document="a licence", status=201
)
def import_licence_(desk: OnDesk) -> LicenceTold:
    """Put a licence in force. A running gateway takes it up at once."""
    candidate = examine_licence_bytes(desk.site, desk.call.body, desk.now)
    named = f"Licence {candidate.judged.licence.licence}, serial {candidate.judged.licence.serial}"
    already = candidate.judged.arrival is Arrival.SAME
    first = f"{named}, is in force already." if already else f"{named}, would be put in force."
    desk.agree("\n".join([first, *candidate.consequences]))
    activate_licence(desk.site, candidate, desk.now)
    return _licence(candidate)


def _licence(candidate: Candidate) -> LicenceTold:
    judged = candidate.judged
    return LicenceTold(
        **_standing(judged.standing),
        arrival=judged.arrival.value,
        digest=judged.digest,
        consequences=list(candidate.consequences),
    )


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "rung": standing.rung.value,
        "code": standing.code,
        "serves": standing.terms.serves,
        "sentence": standing.sentence,
        "remedy": standing.terms.remedy,
        "days_left": standing.days_left,
        "warnings": list(standing.warnings),
        "licence": standing.licence.model_dump(mode="json", by_alias=True) if standing.licence else None,
    }


ROUTES = (show_licence, examine_licence_, import_licence_)
