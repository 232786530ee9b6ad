"""The demonstration model: answers here, the same text for the same question, and says what it is.

It lets a newcomer see a licensed gateway work without a model server. Its usage is honest: a token is a word.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from appliance.config.model import Deployment, ProviderNeeds
from appliance.providers.call import Call, Provider

_encoder = msgspec.json.Encoder()
_DIMENSIONS = 16


class DemoReply:
    """A finished answer with the face of an upstream's reply."""

    def __init__(self, status: int, content_type: str, frames: list[bytes]) -> None:
        self.status = status
        self.content_type = content_type
        self.retry_after: int | None = None
        self.content_encoding: str | None = None
        self._frames = frames

    async def read(self) -> bytes:
        return b"".join(self._frames)

    async def chunks(self) -> AsyncIterator[bytes]:
        for frame in self._frames:
            yield frame

    async def close(self) -> None:
        return


def answer(call: Call, deployment: Deployment) -> DemoReply:
    """The demonstration's reply to a call: chat, completions, embeddings."""
    try:
        body: dict[str, Any] = {name: msgspec.json.decode(raw) for name, raw in call.members.items()}
        if call.endpoint == "embeddings":
            return _json(200, _embeddings(body, deployment))
        if call.endpoint == "completions":
            return _completion(call, body, deployment)
        if call.endpoint == "chat/completions":
            return _chat(call, body, deployment)
        return _json(404, {"error": {"message": "The demonstration model has no such endpoint.", "code": "not_found"}})
    except (TypeError, LookupError, AttributeError, ValueError):
        fault = {"message": "The demonstration model cannot read this request.", "type": "invalid_request_error"}
        return _json(400, {"error": {**fault, "param": None, "code": "demo_unreadable"}})


def _chat(call: Call, body: dict[str, Any], deployment: Deployment) -> DemoReply:
    question = " ".join(_text_of(message.get("content")) for message in body["messages"])
    words = _words(_text_of(body["messages"][-1].get("content")), "message", deployment)
    usage = _usage(question, words)
    head = {
        "id": "chatcmpl-" + hashlib.sha256(question.encode("utf-8", "replace")).hexdigest()[:24],
        "created": 0,
        "model": deployment.model,
    }
    if not call.stream:
        message = {"role": "assistant", "content": " ".join(words), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return _json(200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    head["object"] = "chat.completion.chunk"
    frames = [
        _frame(
            {
                **head,
                "choices": [_delta({"role": "assistant", "content": words[0]} if i == 0 else {"content": " " + word})],
            }
        )
        for i, word in enumerate(words)
    ]
    frames.append(_frame({**head, "choices": [_delta({}, "stop")]}))
    frames.append(_frame({**head, "choices": [], "usage": usage}))
    frames.append(b"data: [DONE]\n\n")
    return DemoReply(200, "text/event-stream", frames)


def _completion(call: Call, body: dict[str, Any], deployment: Deployment) -> DemoReply:
    prompt = body["prompt"]
    if not isinstance(prompt, str):
        raise TypeError("one prompt, in words")
    words = _words(prompt, "prompt", deployment)
    usage = _usage(prompt, words)
    head = {
        "id": "cmpl-" + hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:24],
        "object": "text_completion",
        "created": 0,
        "model": deployment.model,
    }

    def choice(text: str, finish_reason: str | None) -> dict[str, Any]:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}

    if not call.stream:
        return _json(200, {**head, "choices": [choice(" ".join(words), "stop")], "usage": usage})
    texts = [words[0], *(" " + word for word in words[1:])]
    frames = [_frame({**head, "choices": [choice(text, None)]}) for text in texts]
    frames.append(_frame({**head, "choices": [choice("", "stop")]}))
    frames.append(_frame({**head, "choices": [], "usage": usage}))
    return DemoReply(200, "text/event-stream", [*frames, b"data: [DONE]\n\n"])


def _words(last: str, what: str, deployment: Deployment) -> list[str]:
    return (
        f"This is the demonstration model of AO Appliance, answering as {deployment.alias}. It understands nothing; "
        f"it counts: your last {what} has {len(last.split())} words and {len(last)} characters."
    ).split(" ")


def _usage(question: str, words: list[str]) -> dict[str, int]:
    asked = len(question.split())
    return {"prompt_tokens": asked, "completion_tokens": len(words), "total_tokens": asked + len(words)}


def _embeddings(body: dict[str, Any], deployment: Deployment) -> dict[str, Any]:
    given = body["input"]
    texts = [given] if isinstance(given, str) else list(given)
    data = [
        {"object": "embedding", "index": i, "embedding": _vector(str(text), body.get("encoding_format"))}
        for i, text in enumerate(texts)
    ]
    tokens = sum(len(str(text).split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": deployment.model, "usage": usage}


def _vector(text: str, encoding: object) -> list[float] | str:
    """A unit-free vector made of the text's hash, so that equal texts are equal and nothing else is claimed."""
    seed = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    numbers = [(byte - 127.5) / 127.5 for byte in seed[:_DIMENSIONS]]
    if encoding == "base64":
        return base64.b64encode(struct.pack(f"<{_DIMENSIONS}f", *numbers)).decode()
    return numbers


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}


def _frame(chunk: dict[str, Any]) -> bytes:
    return b"data: " + _encoder.encode(chunk) + b"\n\n"


def _json(status: int, body: dict[str, Any]) -> DemoReply:
    return DemoReply(status, "application/json", [_encoder.encode(body)])


DEMO = Provider(ProviderNeeds("demo", needs_api_base=False, takes_api_key=False), answer=answer)
