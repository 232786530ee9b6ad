"""Server-sent events as upstreams write them."""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def frame(body: object, end: str = "\n", prefix: str = "") -> bytes:
    return (prefix + "data: " + json.dumps(body, ensure_ascii=False) + end + end).encode()


def content(text: str, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [choice], **more}


def finish(**more: Any) -> dict[str, Any]:
    return {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **more}


def usage(prompt: int = 11, completion: int = 5, cached: int | None = 3, **more: Any) -> dict[str, Any]:
    counts: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    if cached is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": cached}
    return {"id": "c1", "choices": [], "usage": counts | more}
