"""A chat request in the words of Anthropic's Messages API, version 2023-06-01 (pure)."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.providers.chat_request import (
    Assistant,
    ChatRequest,
    Image,
    Part,
    Text,
    ToolChoice,
    ToolResult,
    Turn,
    as_messages,
)

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')


def messages_body(request: ChatRequest, model: str, *, stream: bool, max_tokens: int) -> dict[str, Any]:
    """The body of POST /v1/messages. `max_tokens` is sent where the app names none: Anthropic demands one.

    Raises CannotTranslate.
    """
    request.refuse_others("temperature", "top_p", "top_k", "parallel_tool_calls")
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": max_tokens if request.max_tokens is None else request.max_tokens,
        "messages": as_messages(request.turns, _content, model="assistant", content="content"),
    }
    if request.system:
        body["system"] = [{"type": "text", "text": text} for text in request.system]
    body |= {name: given for name in ("temperature", "top_p", "top_k") if (given := request.number(name)) is not None}
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [
            {"name": each.name, "input_schema": each.parameters or _NO_PARAMETERS}
            | ({"description": each.description} if each.description else {})
            | ({"strict": True} if each.strict else {})
            for each in request.tools
        ]
        body |= _tool_choice(request)
    if request.response_format:
        if request.response_format.schema is None:
            raise request.response_format.member.refused("asks for json_object; this provider takes json_schema only.")
        body["output_config"] = {"format": {"type": "json_schema", "schema": request.response_format.schema}}
    if stream:
        body["stream"] = True
    return body


def _tool_choice(request: ChatRequest) -> dict[str, Any]:
    parallel = request.others.get("parallel_tool_calls")
    one_at_a_time = parallel is not None and not parallel.flag()
    choice = _choice(request.tool_choice)
    if one_at_a_time and choice != {"type": "none"}:
        choice = (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return {"tool_choice": choice} if choice else {}


def _choice(choice: ToolChoice | None) -> dict[str, Any]:
    match choice:
        case None:
            return {}
        case ToolChoice("required"):
            return {"type": "any"}
        case ToolChoice("function"):
            return {"type": "tool", "name": choice.name}
        case _:
            return {"type": choice.mode}


def _content(turn: Turn) -> list[dict[str, Any]]:
    match turn:
        case Assistant(texts, calls):
            told: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
            used = ({"type": "tool_use", "id": each.id, "name": each.name, "input": each.arguments} for each in calls)
            return [*told, *used]
        case ToolResult(call_id, _, parts):
            return [{"type": "tool_result", "tool_use_id": call_id, "content": [_part(each) for each in parts]}]
        case _:
            return [_part(each) for each in turn.parts]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(_, None, url, member):
            if not url.startswith("https://"):
                raise member.refused("is neither a data: URL nor an https:// address.")
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Image(kind, data, _, member):
            if kind not in _PICTURES:
                raise member.refused(f"is of a kind that this provider does not take: {', '.join(_PICTURES)}.")
            return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
