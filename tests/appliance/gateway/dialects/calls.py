"""Calls as they are parsed at the door, and chat answers as upstreams give them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from appliance.gateway.request import parse_call
from appliance.providers.call import Call


def call_to(endpoint: str, **members: Any) -> Call:
    return parse_call(endpoint, json.dumps({"model": "m", **members}).encode())


def decoded(call: Call) -> dict[str, Any]:
    return {name: msgspec.json.decode(raw) for name, raw in call.members.items()}


def chat_reply(message: dict[str, Any], finish: str = "stop", **choice: Any) -> bytes:
    told = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **choice}
    usage = {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25}
    details = {"prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 2}}
    reply = {"id": "chatcmpl-abc1", "object": "chat.completion", "created": 1_700_000_000, "model": "up", **{}}
    return json.dumps({**reply, "choices": [told], "usage": {**usage, **details}}).encode()


def frame(body: Any) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def delta(finish: str | None = None, **said: Any) -> bytes:
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    return frame({"id": "chatcmpl-abc1", "created": 1_700_000_000, "model": "up", "choices": [choice]})


def tool(index: int, arguments: str, name: str | None = None, call_id: str | None = None) -> bytes:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    call = {"index": index, "function": function} | ({"id": call_id, "type": "function"} if call_id else {})
    return delta(tool_calls=[call])


USAGE = frame({"id": "chatcmpl-abc1", "choices": [], "usage": {"prompt_tokens": 21, "completion_tokens": 4}})


def events(data: bytes) -> list[dict[str, Any]]:
    """The events' data, each checked to bear the name of its type."""
    found = []
    for each in data.split(b"\n\n"):
        if each:
            name, told = each.split(b"\n")
            body = json.loads(told.removeprefix(b"data: "))
            assert name == b"event: " + body["type"].encode()
            found.append(body)
    return found
