"""`secrets:` and `rollback:` in the config: what officers ask of how configs themselves are treated."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


class SecretsPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    forbid_clear: bool = False


class RollbackPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    not_below: int = Field(default=1, ge=1)


@dataclass(frozen=True, slots=True)
class Handling:
    """`forbid_clear`: a provider key in clear is refused. `not_below`: the lowest serial that one may go back to."""

    forbid_clear: bool = False
    not_below: int = 1


def handling(secrets: SecretsPart, rollback: RollbackPart) -> Handling:
    return Handling(secrets.forbid_clear, rollback.not_below)
