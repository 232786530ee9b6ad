"""Chat answers, told as OpenAI's Responses: whole, and as its events (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from appliance.gateway.dialects.chat_reply import (
    ChatReply,
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

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

# What a response repeats of its request, and what it says where the request said nothing.
_REPEATED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
}


def whole(call: Call, body: bytes) -> bytes:
    """A response. Raises UnreadableAnswer."""
    reply = read_reply(body)
    choice = reply.first
    if choice is None or choice.message is None:
        raise UnreadableAnswer("no choice")
    said = choice.message
    suffix = short_id(reply.id)
    output = []
    if said.content is not None or said.refusal:
        output.append(_message(f"msg_{suffix}", _part(said.content, said.refusal)))
    output += [
        _function_call(f"fc_{suffix}_{n}", _call_id(each, n), each.function.name or "", each.function.arguments or "")
        for n, each in enumerate(said.tool_calls or ())
    ]
    return msgspec.json.encode(_response(call, reply, output, choice.finish_reason or "stop", reply.usage))


def _response(
    call: Call, reply: ChatReply, output: list[dict[str, Any]], finish: str | None, counts: Counts | None
) -> dict[str, Any]:
    """`finish` is chat's reason; None while the answer is on its way."""
    reason = _INCOMPLETE.get(finish or "")
    given = {name: _given(call, name) for name in _REPEATED}
    reasoning = _given(call, "reasoning") or {}
    return {
        "id": f"resp_{short_id(reply.id)}",
        "object": "response",
        "created_at": int(reply.created),
        "status": "in_progress" if finish is None else "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": reply.model or call.model,
        "output": output,
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "store": False,
        "truncation": "disabled",
        "usage": _usage(counts),
        **({"user": user} if (user := _given(call, "user")) is not None else {}),
        **{name: default if given[name] is None else given[name] for name, default in _REPEATED.items()},
    }


def _given(call: Call, name: str) -> Any:
    raw = call.members.get(name)
    return None if raw is None else msgspec.json.decode(raw)


def _usage(counts: Counts | None) -> dict[str, Any] | None:
    if counts is None:
        return None
    return {
        "input_tokens": counts.prompt_tokens,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": 0},
        "output_tokens": counts.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
    }


def _part(text: str | None, refusal: str | None) -> dict[str, Any]:
    if refusal:
        return {"type": "refusal", "refusal": refusal}
    return {"type": "output_text", "text": text or "", "annotations": [], "logprobs": []}


def _message(item_id: str, *content: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    return {"type": "message", "id": item_id, "status": status, "role": "assistant", "content": list(content)}


def _call_id(call: ToolCall, number: int) -> str:
    return call.id or f"call_{number}"


def _function_call(item_id: str, call_id: str, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": item_id,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


@dataclass(slots=True, repr=False)
class _Item:
    """An output item under way; its `text` is what has been said, or the arguments of a call."""

    number: int
    id: str
    kind: str
    call_id: str = ""
    name: str = ""
    text: list[str] = field(default_factory=list)

    def told(self, status: str) -> dict[str, Any]:
        text = "".join(self.text)
        if self.kind == "function_call":
            return _function_call(self.id, self.call_id, self.name, text, status)
        if status == "in_progress":
            return _message(self.id, status=status)
        return _message(self.id, self.part(text), status=status)

    def part(self, text: str) -> dict[str, Any]:
        return {"type": "refusal", "refusal": text} if self.kind == "refusal" else _part(text, None)


@dataclass(slots=True, repr=False)
class Stream:
    """Chat chunks in, events out; each event has its number."""

    call: Call
    failed: bool = False
    number: int = 0
    _head: ChatReply | None = None
    _items: dict[str | int, _Item] = field(default_factory=dict)
    _counts: Counts | None = None
    _finish: str = "stop"

    def feed(self, chunk: bytes) -> bytes:
        return b"".join(self._tell(read_reply(data)) for data in payloads(chunk) if not self.failed)

    def finish(self) -> bytes:
        """The ends of what is open, and the whole response, which is the good end."""
        if self.failed:
            return b""
        out = self._begin(ChatReply())
        out += b"".join(self._end(item) for item in self._items.values())
        output = [item.told("completed") for item in self._items.values()]
        response = _response(self.call, self._head or ChatReply(), output, self._finish, self._counts)
        return out + self._event(f"response.{response['status']}", response=response)

    def _event(self, kind: str, **members: Any) -> bytes:
        told = event(kind, {"type": kind, "sequence_number": self.number, **members})
        self.number += 1
        return told

    def _tell(self, reply: ChatReply) -> bytes:
        if reply.error is not None:
            self.failed = True
            message, kind = error_told(reply.error)
            return self._event("error", code=kind, message=message, param=None)
        out = self._begin(reply)
        self._counts = reply.usage or self._counts
        choice = reply.first
        if choice is None:
            return out
        if choice.delta is not None:
            out += self._said(choice.delta)
        self._finish = choice.finish_reason or self._finish
        return out

    def _begin(self, reply: ChatReply) -> bytes:
        if self._head is not None:
            return b""
        self._head = reply
        response = _response(self.call, reply, [], None, None)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def _said(self, said: Said) -> bytes:
        out = b""
        for kind, text in (("output_text", said.content), ("refusal", said.refusal)):
            if text:
                item, begun = self._item(kind, kind)
                item.text.append(text)
                more: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
                place = {"item_id": item.id, "output_index": item.number, "content_index": 0}
                out += begun + self._event(f"response.{kind}.delta", **place, delta=text, **more)
        for call in said.tool_calls or ():
            item, begun = self._item(call.index, "function_call", call)
            out += begun
            if call.function.arguments:
                item.text.append(call.function.arguments)
                place = {"item_id": item.id, "output_index": item.number}
                out += self._event("response.function_call_arguments.delta", **place, delta=call.function.arguments)
        return out

    def _item(self, key: str | int, kind: str, call: ToolCall | None = None) -> tuple[_Item, bytes]:
        """The item under way, and the events that begin it where it is new."""
        if (found := self._items.get(key)) is not None:
            return found, b""
        number = len(self._items)
        suffix = short_id(self._head.id if self._head else "")
        if call is not None:
            item = _Item(number, f"fc_{suffix}_{number}", kind, _call_id(call, number), call.function.name or "")
        else:
            item = _Item(number, f"msg_{suffix}_{number}", kind)
        self._items[key] = item
        out = self._event("response.output_item.added", output_index=number, item=item.told("in_progress"))
        if call is None:
            place = {"item_id": item.id, "output_index": number, "content_index": 0}
            out += self._event("response.content_part.added", **place, part=item.part(""))
        return item, out

    def _end(self, item: _Item) -> bytes:
        text = "".join(item.text)
        place: dict[str, Any] = {"item_id": item.id, "output_index": item.number}
        if item.kind == "function_call":
            out = self._event("response.function_call_arguments.done", **place, name=item.name, arguments=text)
        else:
            place["content_index"] = 0
            more: dict[str, Any] = {"text": text, "logprobs": []} if item.kind == "output_text" else {"refusal": text}
            out = self._event(f"response.{item.kind}.done", **place, **more)
            out += self._event("response.content_part.done", **place, part=item.part(text))
        return out + self._event("response.output_item.done", output_index=item.number, item=item.told("completed"))
