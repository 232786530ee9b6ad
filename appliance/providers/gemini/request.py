"""A chat request in the words of Google's generateContent, v1beta and Vertex v1 (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from appliance.providers.chat_request import (
    Assistant,
    ChatRequest,
    Image,
    Part,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    as_messages,
)

_NUMBERS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")
THINKING_BUDGETS: Mapping[str, int] = MappingProxyType(
    {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
)
"""What Google's own OpenAI-compatible endpoint makes of reasoning_effort (ai.google.dev, "OpenAI compatibility")."""


def generate_body(request: ChatRequest) -> dict[str, Any]:
    """The body of generateContent and of streamGenerateContent. Raises CannotTranslate."""
    request.refuse_others(*_NUMBERS, "reasoning_effort")
    body: dict[str, Any] = {"contents": as_messages(request.turns, _parts, model="model", content="parts")}
    if request.system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in request.system]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(request, n) for n in range(len(request.tools))]}]
        if calling := _calling(request):
            body["toolConfig"] = {"functionCallingConfig": calling}
    if config := _generation_config(request):
        body["generationConfig"] = config
    return body


def _declaration(request: ChatRequest, number: int) -> dict[str, Any]:
    tool = request.tools[number]
    return (
        {"name": tool.name}
        | ({"description": tool.description} if tool.description else {})
        | ({"parametersJsonSchema": tool.parameters} if tool.parameters is not None else {})
    )


def _calling(request: ChatRequest) -> dict[str, Any]:
    """ANY keeps to the schema by itself; where the model may also answer in words, VALIDATED does."""
    choice = request.tool_choice
    strict = any(each.strict for each in request.tools)
    match choice.mode if choice else "auto":
        case "none":
            return {"mode": "NONE"}
        case "required":
            return {"mode": "ANY"}
        case "function":
            return {"mode": "ANY", "allowedFunctionNames": [choice.name if choice else None]}
        case _:
            return {"mode": "VALIDATED"} if strict else {"mode": "AUTO"} if choice else {}


def _generation_config(request: ChatRequest) -> dict[str, Any]:
    config: dict[str, Any] = {
        native: given for name, native in _NUMBERS.items() if (given := request.number(name)) is not None
    }
    if request.max_tokens is not None:
        config["maxOutputTokens"] = request.max_tokens
    if request.stop:
        config["stopSequences"] = list(request.stop)
    if request.response_format:
        config["responseMimeType"] = "application/json"
        if request.response_format.schema is not None:
            config["responseJsonSchema"] = request.response_format.schema
    if effort := request.others.get("reasoning_effort"):
        if effort.text() not in THINKING_BUDGETS:
            raise effort.refused(f"is none of {', '.join(THINKING_BUDGETS)}.")
        config["thinkingConfig"] = {"thinkingBudget": THINKING_BUDGETS[effort.text()]}
    return config


def _parts(turn: Turn) -> list[dict[str, Any]]:
    match turn:
        case Assistant(texts, calls):
            return [*({"text": text} for text in texts), *(_function_call(each) for each in calls)]
        case ToolResult():
            return [{"functionResponse": {"name": turn.name, "response": _response(turn)}}]
        case _:
            return [_part(each) for each in turn.parts]


def _function_call(call: ToolCall) -> dict[str, Any]:
    """With the signature that came with it: Gemini 3 refuses its own call without one."""
    part: dict[str, Any] = {"functionCall": {"name": call.name, "args": call.arguments}}
    if call.extra:
        call.extra.only("google")
        google = call.extra.need("google").fields()
        google.only("thought_signature")
        if signature := google.text("thought_signature"):
            part["thoughtSignature"] = signature
    return part


def _response(result: ToolResult) -> Any:
    """An object is the response as it is; other text becomes its `output`."""
    texts: list[str] = []
    for part in result.parts:
        if isinstance(part, Image):
            raise part.member.refused("is a picture in a tool's result, which this provider does not take.")
        texts.append(part.text)
    text = "".join(texts)
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return {"output": text}
    return msgspec.Raw(text.encode())


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"text": text}
        case Image(_, None, _, member):
            raise member.refused("is an address; this provider takes pictures as data: URLs only.")
        case Image(kind, data, _, member):
            if kind not in _PICTURES:
                raise member.refused(f"is of a kind that this provider does not take: {', '.join(_PICTURES)}.")
            return {"inlineData": {"mimeType": kind, "data": data}}
