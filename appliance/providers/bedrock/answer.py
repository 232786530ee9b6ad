"""What Bedrock's Converse API answers, whole and as an event stream, in OpenAI's chat shape (pure).

A stream is application/vnd.amazon.eventstream: binary messages with checksums, decoded by botocore.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec
from botocore.eventstream import EventStreamBuffer, EventStreamMessage, ParserError

from appliance.providers.call import Call, UnreadableAnswer
from appliance.providers.chat_answer import (
    DONE,
    Choice,
    ChunkWriter,
    Counts,
    completion,
    error_body,
    error_frame,
    tool_call,
)

_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


class _Camel(msgspec.Struct, rename="camel"):
    """Converse writes camelCase."""


class _Usage(_Camel):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0

    def counts(self) -> Counts:
        prompt = self.input_tokens + self.cache_read_input_tokens + self.cache_write_input_tokens
        return Counts(prompt, self.output_tokens, self.cache_read_input_tokens)


class _ToolUse(_Camel):
    tool_use_id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _ReasoningText(_Camel):
    text: str = ""


class _Reasoning(_Camel):
    reasoning_text: _ReasoningText = msgspec.field(default_factory=_ReasoningText)


class _Block(_Camel):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None


class _Message(_Camel):
    content: list[_Block]


class _Output(_Camel):
    message: _Message


class _Reply(_Camel):
    output: _Output
    stop_reason: str
    usage: _Usage


class _ArgumentsDelta(_Camel):
    input: str = ""


class _Delta(_Camel):
    text: str | None = None
    tool_use: _ArgumentsDelta | None = None
    reasoning_content: _ReasoningText | None = None


class _Start(_Camel):
    tool_use: _ToolUse | None = None


class _Event(_Camel):
    """The union of the events' payloads; which one it is stands in the message's header."""

    content_block_index: int = 0
    start: _Start | None = None
    delta: _Delta | None = None
    stop_reason: str = "end_turn"
    usage: _Usage | None = None
    message: str = "The model server failed."


class _Fault(_Camel):
    message: str | None = None
    Message: str | None = msgspec.field(default=None, name="Message")


_reply = msgspec.json.Decoder(_Reply)
_event = msgspec.json.Decoder(_Event)
_fault = msgspec.json.Decoder(_Fault)


def finish_reason(native: str) -> str:
    """OpenAI's word for it; a reason that has none is told in Bedrock's own."""
    return _STOP_REASONS.get(native, native)


def whole(call: Call, body: bytes) -> bytes:
    """A Converse answer as a chat completion. Raises UnreadableAnswer."""
    try:
        return _completion(call, body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UnreadableAnswer(str(exc)) from exc


def _completion(call: Call, body: bytes) -> bytes:
    reply = _reply.decode(body)
    choice = Choice(finish_reason=finish_reason(reply.stop_reason))
    for block in reply.output.message.content:
        if block.text is not None:
            choice.texts.append(block.text)
        if block.reasoning_content:
            choice.reasoning.append(block.reasoning_content.reasoning_text.text)
        if used := block.tool_use:
            choice.calls.append(tool_call(used.tool_use_id, used.name, bytes(used.input).decode()))
    return completion(_id(body), call.model, call.at, [choice], reply.usage.counts())


def refusal(status: int, body: bytes) -> tuple[int, bytes]:
    """AWS's error body in OpenAI's shape. 424 is the model's own failure, not the app's."""
    try:
        fault = _fault.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return status, body
    told = fault.message or fault.Message or f"The model server refused the request ({status})."
    return 502 if status == 424 else status, error_body(told, "invalid_request_error")


@dataclass(slots=True, repr=False)
class Stream:
    """Converse's events as chat chunks."""

    out: ChunkWriter
    _buffer: EventStreamBuffer = field(default_factory=EventStreamBuffer)
    _calls: dict[int, int] = field(default_factory=dict)
    """Content block → number of the tool call."""
    _silent: set[int] = field(default_factory=set)
    """Tool calls of whose arguments nothing has come."""
    _over: bool = False

    def feed(self, chunk: bytes) -> bytes:
        try:
            self._buffer.add_data(chunk)
            return b"".join(self._told(message) for message in self._buffer if not self._over)
        except (ParserError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise UnreadableAnswer(str(exc)) from exc

    def finish(self) -> bytes:
        return b""

    def _told(self, message: EventStreamMessage) -> bytes:
        headers = message.headers
        if headers.get(":message-type") != "event":
            self._over = True
            kind = str(headers.get(":exception-type") or headers.get(":error-code") or "api_error")
            event = _event.decode(message.payload or b"{}")
            return error_frame(str(headers.get(":error-message") or event.message), kind)
        return self._event(str(headers.get(":event-type")), _event.decode(message.payload or b"{}"))

    def _event(self, kind: str, event: _Event) -> bytes:
        index = event.content_block_index
        match kind:
            case "messageStart":
                return self.out.delta({"content": ""})
            case "contentBlockStart" if event.start and (used := event.start.tool_use):
                number = self._calls[index] = len(self._calls)
                self._silent.add(number)
                return self.out.call(number, tool_call(used.tool_use_id, used.name, ""))
            case "contentBlockDelta" if event.delta:
                return self._delta(index, event.delta)
            case "contentBlockStop":
                number_or_none = self._calls.get(index)
                if number_or_none in self._silent and number_or_none is not None:
                    return self.out.arguments(number_or_none, "{}")
            case "messageStop":
                return self.out.delta({}, finish_reason=finish_reason(event.stop_reason))
            case "metadata" if event.usage:
                self._over = True
                return self.out.usage(event.usage.counts()) + DONE
        return b""

    def _delta(self, index: int, delta: _Delta) -> bytes:
        if delta.text is not None:
            return self.out.text(delta.text)
        if delta.reasoning_content and delta.reasoning_content.text:
            return self.out.reasoning(delta.reasoning_content.text)
        if delta.tool_use and delta.tool_use.input:
            if index not in self._calls:
                raise UnreadableAnswer("arguments of no tool call")
            self._silent.discard(self._calls[index])
            return self.out.arguments(self._calls[index], delta.tool_use.input)
        return b""


def stream(call: Call) -> Stream:
    return Stream(ChunkWriter(call.model, call.at))


def _id(body: bytes) -> str:
    """Converse gives its answers no id."""
    return "chatcmpl-" + hashlib.sha256(body).hexdigest()[:24]
