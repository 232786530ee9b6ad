"""What every part of a config's shape is made of, and how a fault in one is told: the key and the line."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import ConfigRefused
from media.strict_yaml import Document, NodePath

Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Part(BaseModel):
    """Unknown keys are refused, and nothing is read as what it is not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def refused(document: Document, error: ValidationError, below: NodePath = ()) -> ConfigRefused:
    """The first fault, at its place. `below` is the path of what was validated."""
    fault: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = (*below, *fault["loc"])
    if fault["type"] == "extra_forbidden":
        return ConfigRefused(f"There is no such setting here: {str(path[-1])[:64]!r}.", where=document.where(path))
    return ConfigRefused(f"{fault['msg'].removeprefix('Value error, ')}.", where=document.where(path))
