"""A chat request in the words of Amazon Bedrock's Converse API, version 2023-09-30 (pure)."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.providers.chat_request import (
    Assistant,
    ChatRequest,
    Image,
    Part,
    ResponseFormat,
    Text,
    ToolResult,
    Turn,
    as_messages,
)

_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')


def converse_body(request: ChatRequest) -> dict[str, Any]:
    """The body of POST /model/ID/converse and of converse-stream. Raises CannotTranslate."""
    request.refuse_others("temperature", "top_p")
    body: dict[str, Any] = {"messages": as_messages(request.turns, _content, model="assistant", content="content")}
    if request.system:
        body["system"] = [{"text": text} for text in request.system]
    inference = {
        "maxTokens": request.max_tokens,
        "temperature": request.number("temperature"),
        "topP": request.number("top_p"),
        "stopSequences": list(request.stop) or None,
    }
    if given := {name: value for name, value in inference.items() if value is not None}:
        body["inferenceConfig"] = given
    if tools := _tool_config(request):
        body["toolConfig"] = tools
    if request.response_format:
        body["outputConfig"] = {"textFormat": _text_format(request.response_format)}
    return body


def _tool_config(request: ChatRequest) -> dict[str, Any] | None:
    choice = request.tool_choice
    if not request.tools:
        return None
    if choice and choice.mode == "none":
        # Converse has no such choice: without tools in it there is none to be called, unless the history speaks of one.
        if any(isinstance(turn, ToolResult) or (isinstance(turn, Assistant) and turn.calls) for turn in request.turns):
            raise choice.member.refused("cannot be none at this provider where earlier messages have tool calls.")
        return None
    config: dict[str, Any] = {
        "tools": [
            {
                "toolSpec": {"name": each.name, "inputSchema": {"json": each.parameters or _NO_PARAMETERS}}
                | ({"description": each.description} if each.description else {})
                | ({"strict": True} if each.strict else {})
            }
            for each in request.tools
        ]
    }
    if choice:
        named: dict[str, dict[str, Any]] = {"auto": {"auto": {}}, "required": {"any": {}}}
        config["toolChoice"] = named.get(choice.mode) or {"tool": {"name": choice.name}}
    return config


def _text_format(form: ResponseFormat) -> dict[str, Any]:
    if form.schema is None:
        raise form.member.refused("asks for json_object; this provider takes json_schema only.")
    schema = {"schema": bytes(form.schema).decode(), "name": form.name, "description": form.description}
    given = {name: value for name, value in schema.items() if value is not None}
    return {"type": "json_schema", "structure": {"jsonSchema": given}}


def _content(turn: Turn) -> list[dict[str, Any]]:
    match turn:
        case Assistant(texts, calls):
            told: list[dict[str, Any]] = [{"text": text} for text in texts]
            used = ({"toolUse": {"toolUseId": each.id, "name": each.name, "input": each.arguments}} for each in calls)
            return [*told, *used]
        case ToolResult(call_id, _, parts):
            return [{"toolResult": {"toolUseId": call_id, "content": [_part(each) for each in parts]}}]
        case _:
            return [_part(each) for each in turn.parts]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
        case Image(_, None, _, member):
            raise member.refused("is an address; this provider takes pictures as data: URLs only.")
        case Image(kind, data, _, member):
            if kind not in _FORMATS:
                raise member.refused(f"is of a kind that this provider does not take: {', '.join(_FORMATS)}.")
            return {"image": {"format": _FORMATS[kind], "source": {"bytes": data}}}
