"""Chat answers as upstreams give them, whole and in chunks: the few members that other dialects tell (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from appliance.providers.call import UnreadableAnswer

_FRAME_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct):
    id: str | None = None
    index: int = 0
    function: Function = msgspec.field(default_factory=Function)


class Said(msgspec.Struct):
    """A message, or what a chunk adds to one. Its reasoning is not told: nobody asked for it."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct):
    """`stop_reason` is vLLM's: the stop string that was met."""

    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None
    stop_reason: Any = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    @property
    def cached(self) -> int:
        return (self.prompt_tokens_details.cached_tokens or 0) if self.prompt_tokens_details else 0

    @property
    def reasoning(self) -> int:
        return (self.completion_tokens_details.reasoning_tokens or 0) if self.completion_tokens_details else 0


class ChatReply(msgspec.Struct):
    id: str = ""
    model: str = ""
    created: float = 0
    choices: list[Choice] = msgspec.field(default_factory=list)
    usage: Counts | None = None
    error: Any = None

    @property
    def first(self) -> Choice | None:
        return next((each for each in self.choices if each.index == 0), None)


_reply = msgspec.json.Decoder(ChatReply)


def read_reply(body: bytes) -> ChatReply:
    """Raises UnreadableAnswer."""
    try:
        return _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UnreadableAnswer(str(exc)) from exc


def payloads(frames: bytes) -> Iterator[bytes]:
    """The data of whole frames, comments left out."""
    for frame in _FRAME_END.split(frames):
        lines = [line[5:].removeprefix(b" ") for line in frame.splitlines() if line.startswith(b"data:")]
        if lines:
            yield b"\n".join(lines)


def error_told(error: Any) -> tuple[str, str]:
    """The message and the type in an upstream's error, whatever its shape."""
    if isinstance(error, dict):
        message, kind = error.get("message"), error.get("type")
        return str(message or "The model server failed."), kind if isinstance(kind, str) else "api_error"
    return str(error or "The model server failed."), "api_error"


def event(kind: str, body: object) -> bytes:
    """One server-sent event, named as its type."""
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"


def short_id(reply_id: str) -> str:
    """An upstream's id, fit to stand behind another prefix."""
    return re.sub(r"[^A-Za-z0-9]", "", reply_id.rpartition("-")[2] or reply_id)[:64] or "0"
