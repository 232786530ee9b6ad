"""OpenAI's chat answer, whole and in frames, made from what a native provider said (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens as OpenAI counts them: the prompt with what was read from a cache or written to it, the completion with
    its reasoning. `reasoning` is None where the provider does not tell."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int | None = None

    def usage(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        }
        if self.reasoning is not None:
            told["completion_tokens_details"] = {"reasoning_tokens": self.reasoning}
        return told


@dataclass(slots=True, repr=False)
class Choice:
    """One finished choice, gathered piece by piece."""

    index: int = 0
    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None

    def shown(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.texts) if self.texts else None}
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.calls:
            message["tool_calls"] = self.calls
        return {"index": self.index, "message": message, "finish_reason": self.finish_reason, "logprobs": None}


def tool_call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def completion(id_: str, model: str, created: float, choices: list[Choice], counts: Counts | None) -> bytes:
    """A whole chat completion."""
    body = {
        "id": id_,
        "object": "chat.completion",
        "created": int(created),
        "model": model,
        "choices": [each.shown() for each in choices],
    }
    return _encoder.encode(body | ({"usage": counts.usage()} if counts else {}))


@dataclass(slots=True, repr=False)
class ChunkWriter:
    """Frames of one stream. The first of each choice says whose words follow."""

    model: str
    created: float
    id: str = "chatcmpl-native"
    _begun: set[int] = field(default_factory=set)

    def delta(self, delta: dict[str, Any], *, index: int = 0, finish_reason: str | None = None) -> bytes:
        if index not in self._begun:
            self._begun.add(index)
            delta = {"role": "assistant", "content": None} | delta
        return self._frame([{"index": index, "delta": delta, "finish_reason": finish_reason, "logprobs": None}])

    def text(self, text: str, *, index: int = 0) -> bytes:
        return self.delta({"content": text}, index=index)

    def reasoning(self, text: str, *, index: int = 0) -> bytes:
        return self.delta({"reasoning_content": text}, index=index)

    def call(self, number: int, call: dict[str, Any], *, index: int = 0) -> bytes:
        """The beginning of a tool call: number, id, name and what is known of its arguments."""
        return self.delta({"tool_calls": [{"index": number} | call]}, index=index)

    def arguments(self, number: int, text: str, *, index: int = 0) -> bytes:
        return self.delta({"tool_calls": [{"index": number, "function": {"arguments": text}}]}, index=index)

    def usage(self, counts: Counts) -> bytes:
        return self._frame([], usage=counts.usage())

    def _frame(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": int(self.created), "model": self.model}
        return b"data: " + _encoder.encode(head | {"choices": choices} | more) + b"\n\n"


def error_frame(message: str, kind: str) -> bytes:
    """An upstream's failure in the middle of its stream."""
    return b"data: " + error_body(message, kind) + b"\n\n"


def error_body(message: str, kind: str | None, code: str | None = None) -> bytes:
    return _encoder.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
