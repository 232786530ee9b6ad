"""What members of several resources have in common: names, times, bounds. Anything else in a body is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from litestar.params import PathParameter, QueryParameter
from pydantic import BaseModel, ConfigDict, Field

from appliance.access.teams import LABEL_LIMIT
from appliance.admin_api.errors import CallMalformed
from licensing.document import EARLIEST_YEAR, parse_time

Label = Annotated[str, Field(min_length=1, max_length=LABEL_LIMIT)]
Networks = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(min_length=1, max_length=256)]
"""As 10.20.0.0/16."""

Moment = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
"""As documents write it: 2027-03-01T00:00:00Z."""

Name = Annotated[str, PathParameter(min_length=1, max_length=128)]
"""In a path."""

Named = Annotated[str | None, QueryParameter(max_length=128)]
"""In a query."""


class Body(BaseModel):
    """What a call brings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Told(BaseModel):
    """What an answer says."""

    model_config = ConfigDict(frozen=True)


def moment_in(text: str, where: str) -> datetime:
    """Raises CallMalformed."""
    try:
        moment = parse_time(text)
    except ValueError:
        moment = None
    if moment is None or not EARLIEST_YEAR <= moment.year <= 9000:
        raise CallMalformed(f"{where} is no time such as 2027-03-01T00:00:00Z.")
    return moment


def given(body: BaseModel) -> dict[str, Any]:
    """Only what the call names: what it does not name stays as it is."""
    return {name: getattr(body, name) for name in sorted(body.model_fields_set)}
