"""Chat answers, told as Anthropic's messages: whole, and as its events (pure).

What a message begins with are its tokens, which a chat stream tells at its end: so `message_start` counts none, and
`message_delta` counts all, which clients of that API take for the sum.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from appliance.gateway.dialects.chat_reply import (
    ChatReply,
    Choice,
    Counts,
    Said,
    ToolCall,
    error_told,
    event,
    payloads,
    read_reply,
    short_id,
)
from appliance.providers.call import Call, UnreadableAnswer

_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def whole(call: Call, body: bytes) -> bytes:
    """A message. Raises UnreadableAnswer."""
    reply = read_reply(body)
    choice = reply.first
    if choice is None or choice.message is None:
        raise UnreadableAnswer("no choice")
    said = choice.message
    content: list[dict[str, Any]] = []
    if text := said.content or said.refusal:
        content.append({"type": "text", "text": text})
    content += [
        {"type": "tool_use", "id": _call_id(each, n), "name": each.function.name or "", "input": _input(each)}
        for n, each in enumerate(said.tool_calls or ())
    ]
    ended = {"stop_reason": _reason(choice, said), "stop_sequence": _sequence(choice)}
    return msgspec.json.encode({**_head(call, reply), "content": content, **ended, "usage": _usage(reply.usage)})


def _head(call: Call, reply: ChatReply) -> dict[str, Any]:
    return {
        "id": f"msg_{short_id(reply.id)}",
        "type": "message",
        "role": "assistant",
        "model": reply.model or call.model,
    }


def _reason(choice: Choice, said: Said | None) -> str:
    if said is not None and said.refusal:
        return "refusal"
    if _sequence(choice) is not None:
        return "stop_sequence"
    return _REASONS.get(choice.finish_reason or "stop", "end_turn")


def _sequence(choice: Choice) -> str | None:
    return choice.stop_reason if isinstance(choice.stop_reason, str) and choice.finish_reason == "stop" else None


def _call_id(call: ToolCall, number: int) -> str:
    return call.id or f"toolu_{number}"


def _input(call: ToolCall) -> Any:
    try:
        told = msgspec.json.decode(call.function.arguments or "{}")
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise UnreadableAnswer("arguments that are not JSON") from exc
    if not isinstance(told, dict):
        raise UnreadableAnswer("arguments that are no object")
    return told


def _usage(counts: Counts | None) -> dict[str, int]:
    counts = counts or Counts()
    return {
        "input_tokens": max(0, counts.prompt_tokens - counts.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached,
        "output_tokens": counts.completion_tokens,
    }


@dataclass(slots=True, repr=False)
class Stream:
    """Chat chunks in, events out. One block is open at a time; tools beside the first are told when it has ended."""

    call: Call
    failed: bool = False
    number: int = 0
    _begun: bool = False
    _blocks: int = 0
    _open: str | int | None = None
    """"text", the index of the tool call that is being told, or nothing."""
    _waiting: dict[int, list[ToolCall]] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)
    _counts: Counts | None = None
    _reason: str = "end_turn"
    _sequence: str | None = None

    def feed(self, chunk: bytes) -> bytes:
        return b"".join(self._tell(read_reply(data)) for data in payloads(chunk) if not self.failed)

    def finish(self) -> bytes:
        """The last events, of which `message_stop` is the good end."""
        if self.failed:
            return b""
        out = self._begin(ChatReply()) + self._close()
        for index, calls in sorted(self._waiting.items()):
            out += b"".join(self._tool(index, each) for each in calls) + self._close()
        delta = {"stop_reason": self._reason, "stop_sequence": self._sequence}
        out += event("message_delta", {"type": "message_delta", "delta": delta, "usage": _usage(self._counts)})
        return out + event("message_stop", {"type": "message_stop"})

    def _tell(self, reply: ChatReply) -> bytes:
        if reply.error is not None:
            self.failed = True
            message, kind = error_told(reply.error)
            return event("error", {"type": "error", "error": {"type": kind, "message": message}})
        out = self._begin(reply)
        self._counts = reply.usage or self._counts
        choice = reply.first
        if choice is None:
            return out
        if choice.delta is not None:
            out += self._said(choice.delta)
        if choice.finish_reason:
            self._reason, self._sequence = _reason(choice, choice.delta), _sequence(choice)
        return out

    def _said(self, said: Said) -> bytes:
        out = b""
        if text := said.content or said.refusal:
            out += self._start("text", {"type": "text", "text": ""})
            out += self._delta({"type": "text_delta", "text": text})
        for each in said.tool_calls or ():
            if each.index == self._open or (not isinstance(self._open, int) and each.index not in self._told):
                out += self._tool(each.index, each)
            elif each.index in self._told:
                raise UnreadableAnswer("a tool call goes on after its end")
            else:
                self._waiting.setdefault(each.index, []).append(each)
        return out

    def _begin(self, reply: ChatReply) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        usage = _usage(None)
        ended = {"stop_reason": None, "stop_sequence": None}
        message = {**_head(self.call, reply), "content": [], **ended, "usage": usage}
        return event("message_start", {"type": "message_start", "message": message})

    def _tool(self, index: int, call: ToolCall) -> bytes:
        self._told.add(index)
        block = {"type": "tool_use", "id": _call_id(call, index), "name": call.function.name or "", "input": {}}
        out = self._start(index, block)
        if call.function.arguments:
            out += self._delta({"type": "input_json_delta", "partial_json": call.function.arguments})
        return out

    def _start(self, which: str | int, block: dict[str, Any]) -> bytes:
        if self._open == which:
            return b""
        out = self._close()
        self._open = which
        told = {"type": "content_block_start", "index": self._blocks, "content_block": block}
        return out + event("content_block_start", told)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return event("content_block_delta", {"type": "content_block_delta", "index": self._blocks, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        told = {"type": "content_block_stop", "index": self._blocks}
        self._open = None
        self._blocks += 1
        return event("content_block_stop", told)
