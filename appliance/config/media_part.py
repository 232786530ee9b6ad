"""`media:` in the config: how media must be mounted before anything is taken from them."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class MediaPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    require_safe_mount: bool = False


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """`require_safe_mount`: nothing is taken from a medium that is not mounted ro,nosuid,nodev,noexec."""

    require_safe_mount: bool = False


def media_policy(part: MediaPart) -> MediaPolicy:
    return MediaPolicy(part.require_safe_mount)
