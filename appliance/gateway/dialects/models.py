"""The models in the words of Anthropic's API, for its clients (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec


def as_anthropic_model(model: bytes) -> bytes:
    """One model object of OpenAI's API, told anew."""
    told = msgspec.json.decode(model)
    created = datetime.fromtimestamp(told["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.json.encode({"type": "model", "id": told["id"], "display_name": told["id"], "created_at": created})


def anthropic_model_list(models: Mapping[str, bytes]) -> bytes:
    """All of them, on one page."""
    names = list(models)
    ends = {"has_more": False, "first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return msgspec.json.encode({"data": [msgspec.Raw(body) for body in models.values()], **ends})
