"""What the native providers answer, in the shapes that they publish: one plain answer, one with two tool calls, each
whole and as a stream, and an error. The words and counts are ours."""

from __future__ import annotations

import base64
import json
import struct
from binascii import crc32
from typing import Any

TEXT = "Grüße 灯塔 from here"
ARGUMENTS = '{"city":"Köln","days":3,"exact":1.50}'

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL_FUNCTION = {"name": "weather", "description": "Tells it", "parameters": SCHEMA}
TOOL: dict[str, Any] = {"type": "function", "function": TOOL_FUNCTION}
PNG = base64.b64encode(b"\x89PNG not really").decode()

HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "auto"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}},
            {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_a", "content": '{"sky":"grey"}'},
    {"role": "tool", "tool_call_id": "call_b", "content": "no idea"},
    {"role": "user", "content": "And now?"},
]


def sse(*events: dict[str, Any], named: bool = False, end: str = "\n") -> bytes:
    lines = [
        (f"event: {each['type']}{end}" if named else "") + f"data: {json.dumps(each, ensure_ascii=False)}{end}{end}"
        for each in events
    ]
    return "".join(lines).encode()


def aws_message(kind: str, payload: dict[str, Any], message_type: str = "event") -> bytes:
    """One message of application/vnd.amazon.eventstream: lengths, checksum, headers, payload, checksum."""
    type_name = ":event-type" if message_type == "event" else ":exception-type"
    headers = b""
    for name, value in ((":message-type", message_type), (type_name, kind), (":content-type", "application/json")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    data = json.dumps(payload, ensure_ascii=False).encode()
    prelude = struct.pack(">II", len(headers) + len(data) + 16, len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + data
    return message + struct.pack(">I", crc32(message))


ANTHROPIC_USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 6}
ANTHROPIC_HEAD = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_sequence": None}
ANTHROPIC_TEXT = {
    **ANTHROPIC_HEAD,
    "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "usage": {**ANTHROPIC_USAGE, "output_tokens": 7},
}
ANTHROPIC_TOOLS = {
    **ANTHROPIC_HEAD,
    "content": [
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": json.loads(ARGUMENTS)},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {**ANTHROPIC_USAGE, "output_tokens": 7},
}


def _anthropic_start() -> dict[str, Any]:
    usage = {**ANTHROPIC_USAGE, "output_tokens": 1}
    return {"type": "message_start", "message": {**ANTHROPIC_HEAD, "content": [], "stop_reason": None, "usage": usage}}


def _anthropic_end(reason: str) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]


def _block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


ANTHROPIC_TEXT_STREAM = sse(
    _anthropic_start(),
    {"type": "ping"},
    *_block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "s"},
    ),
    *_block(1, {"type": "text", "text": ""}, *({"type": "text_delta", "text": each} for each in (TEXT[:4], TEXT[4:]))),
    *_anthropic_end("end_turn"),
    named=True,
)
ANTHROPIC_TOOL_STREAM = sse(
    _anthropic_start(),
    *_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Let me see."}),
    *_block(
        1,
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
        *({"type": "input_json_delta", "partial_json": each} for each in ("", ARGUMENTS[:9], ARGUMENTS[9:])),
    ),
    *_block(2, {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}),
    *_anthropic_end("tool_use"),
    named=True,
)
ANTHROPIC_BROKEN_STREAM = sse(
    _anthropic_start(), {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, named=True
)
ANTHROPIC_ERROR = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages: too odd"}}

BEDROCK_USAGE = {
    "inputTokens": 10,
    "outputTokens": 7,
    "totalTokens": 17,
    "cacheReadInputTokens": 6,
    "cacheWriteInputTokens": 4,
}


def _converse(content: list[dict[str, Any]], reason: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {
        "output": {"message": message},
        "stopReason": reason,
        "usage": BEDROCK_USAGE,
        "metrics": {"latencyMs": 12},
    }


BEDROCK_TEXT = _converse(
    [{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}, {"text": TEXT}], "end_turn"
)
BEDROCK_TOOLS = _converse(
    [
        {"text": "Let me see."},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": json.loads(ARGUMENTS)}},
        {"toolUse": {"toolUseId": "tooluse_2", "name": "now", "input": {}}},
    ],
    "tool_use",
)


def _aws_block(index: int, start: dict[str, Any] | None, *deltas: dict[str, Any]) -> bytes:
    parts = [aws_message("contentBlockStart", {"contentBlockIndex": index, "start": start})] if start else []
    parts += [aws_message("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
    return b"".join([*parts, aws_message("contentBlockStop", {"contentBlockIndex": index})])


def _aws_end(reason: str) -> bytes:
    metadata = {"usage": BEDROCK_USAGE, "metrics": {"latencyMs": 12}}
    return aws_message("messageStop", {"stopReason": reason}) + aws_message("metadata", metadata)


_AWS_START = aws_message("messageStart", {"role": "assistant"})
BEDROCK_TEXT_STREAM = (
    _AWS_START
    + _aws_block(0, None, {"reasoningContent": {"text": "hm"}}, {"reasoningContent": {"signature": "s"}})
    + _aws_block(1, None, {"text": TEXT[:4]}, {"text": TEXT[4:]})
    + _aws_end("end_turn")
)
BEDROCK_TOOL_STREAM = (
    _AWS_START
    + _aws_block(0, None, {"text": "Let me see."})
    + _aws_block(
        1,
        {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}},
        *({"toolUse": {"input": each}} for each in (ARGUMENTS[:9], ARGUMENTS[9:])),
    )
    + _aws_block(2, {"toolUse": {"toolUseId": "tooluse_2", "name": "now"}})
    + _aws_end("tool_use")
)
BEDROCK_BROKEN_STREAM = _AWS_START + aws_message("throttlingException", {"message": "Too fast"}, "exception")
BEDROCK_ERROR = {"message": "messages: too odd"}

GEMINI_USAGE = {
    "promptTokenCount": 20,
    "cachedContentTokenCount": 6,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 27,
}
GEMINI_HEAD = {"modelVersion": "gemini-x", "responseId": "resp1"}


def _gemini(parts: list[dict[str, Any]], reason: str | None, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    return {"candidates": [candidate | ({"finishReason": reason} if reason else {})], **GEMINI_HEAD, **more}


GEMINI_CALLS: list[dict[str, Any]] = [
    {"functionCall": {"name": "weather", "args": json.loads(ARGUMENTS)}, "thoughtSignature": "sig=="},
    {"functionCall": {"name": "now", "args": {}}},
]
GEMINI_TEXT = _gemini([{"text": "hm", "thought": True}, {"text": TEXT}], "STOP", usageMetadata=GEMINI_USAGE)
GEMINI_TOOLS = _gemini([{"text": "Let me see."}, *GEMINI_CALLS], "STOP", usageMetadata=GEMINI_USAGE)
_EARLY = {"promptTokenCount": 20, "totalTokenCount": 20}
GEMINI_TEXT_STREAM = sse(
    _gemini([{"text": "hm", "thought": True}], None, usageMetadata=_EARLY),
    _gemini([{"text": TEXT[:4]}], None, usageMetadata=_EARLY),
    _gemini([{"text": TEXT[4:]}], "STOP", usageMetadata=GEMINI_USAGE),
    end="\r\n",
)
GEMINI_TOOL_STREAM = sse(
    _gemini([{"text": "Let me see."}], None, usageMetadata=_EARLY),
    _gemini(GEMINI_CALLS, None, usageMetadata=_EARLY),
    _gemini([], "STOP", usageMetadata=GEMINI_USAGE),
    end="\r\n",
)
GEMINI_BROKEN_STREAM = sse(
    _gemini([{"text": "a"}], None), {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
)
GEMINI_ERROR = {"error": {"code": 400, "message": "messages: too odd", "status": "INVALID_ARGUMENT"}}
GEMINI_KEY_ERROR = {
    "error": {
        "code": 400,
        "message": "API key not valid.",
        "status": "INVALID_ARGUMENT",
        "details": [{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
    }
}
