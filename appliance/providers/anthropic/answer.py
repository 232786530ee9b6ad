"""What Anthropic's Messages API answers, whole and as a stream, in OpenAI's chat shape (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from appliance.providers.call import Call, UnreadableAnswer
from appliance.providers.chat_answer import DONE, Choice, ChunkWriter, Counts, completion, error_frame, tool_call
from appliance.providers.sse import Events

_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None

    def after(self, earlier: _Usage) -> _Usage:
        """The later count goes before; what it leaves out stands."""
        return _Usage(
            *(
                mine if (mine := getattr(self, name)) is not None else getattr(earlier, name)
                for name in self.__struct_fields__
            )
        )

    def counts(self) -> Counts:
        cached = self.cache_read_input_tokens or 0
        prompt = (self.input_tokens or 0) + (self.cache_creation_input_tokens or 0) + cached
        return Counts(prompt, self.output_tokens or 0, cached)


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(msgspec.Struct):
    id: str
    model: str
    content: list[_Block]
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Error(msgspec.Struct):
    message: str = "The model server failed."
    type: str = "api_error"


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _Error | None = None


_message = msgspec.json.Decoder(_Message)
_event = msgspec.json.Decoder(_Event)


def finish_reason(native: str) -> str:
    """OpenAI's word for it; a reason that has none is told in Anthropic's own."""
    return _STOP_REASONS.get(native, native)


def whole(call: Call, body: bytes) -> bytes:
    """A message as a chat completion. Raises UnreadableAnswer."""
    try:
        return _completion(call, body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UnreadableAnswer(str(exc)) from exc


def _completion(call: Call, body: bytes) -> bytes:
    message = _message.decode(body)
    choice = Choice(finish_reason=finish_reason(message.stop_reason or "end_turn"))
    for block in message.content:
        match block.type:
            case "text":
                choice.texts.append(block.text)
            case "thinking":
                choice.reasoning.append(block.thinking)
            case "tool_use":
                choice.calls.append(tool_call(block.id, block.name, bytes(block.input).decode()))
    counts = message.usage.counts() if message.usage else None
    return completion(message.id, message.model, call.at, [choice], counts)


@dataclass(slots=True, repr=False)
class Stream:
    """A message's events as chat chunks."""

    out: ChunkWriter
    _events: Events = field(default_factory=Events)
    _usage: _Usage = field(default_factory=_Usage)
    _calls: dict[int, int] = field(default_factory=dict)
    """Content block → number of the tool call."""
    _unsaid: dict[int, bytes] = field(default_factory=dict)
    """Arguments that came with a block's beginning; told at its end where no delta followed."""
    _over: bool = False

    def feed(self, chunk: bytes) -> bytes:
        try:
            return b"".join(self._told(_event.decode(data)) for data in self._events.feed(chunk) if not self._over)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise UnreadableAnswer(str(exc)) from exc

    def finish(self) -> bytes:
        return b""

    def _told(self, event: _Event) -> bytes:
        if event.usage:
            self._usage = event.usage.after(self._usage)
        match event:
            case _Event(type="message_start", message=_Message() as message):
                self.out.id, self.out.model = message.id, message.model
                self._usage = message.usage or self._usage
                return self.out.delta({"content": ""})
            case _Event(type="content_block_start", content_block=_Block() as block):
                return self._begin(event.index, block)
            case _Event(type="content_block_delta", delta=_Delta() as delta):
                return self._delta(event.index, delta)
            case _Event(type="content_block_stop"):
                unsaid = self._unsaid.pop(event.index, b"")
                return self.out.arguments(self._calls[event.index], unsaid.decode()) if unsaid else b""
            case _Event(type="message_delta", delta=_Delta(stop_reason=str() as reason)):
                return self.out.delta({}, finish_reason=finish_reason(reason))
            case _Event(type="message_stop"):
                self._over = True
                return self.out.usage(self._usage.counts()) + DONE
            case _Event(type="error"):
                self._over = True
                error = event.error or _Error()
                return error_frame(error.message, error.type)
        return b""

    def _begin(self, index: int, block: _Block) -> bytes:
        match block.type:
            case "text" if block.text:
                return self.out.text(block.text)
            case "thinking" if block.thinking:
                return self.out.reasoning(block.thinking)
            case "tool_use":
                number = self._calls[index] = len(self._calls)
                self._unsaid[index] = bytes(block.input)
                return self.out.call(number, tool_call(block.id, block.name, ""))
        return b""

    def _delta(self, index: int, delta: _Delta) -> bytes:
        match delta.type:
            case "text_delta":
                return self.out.text(delta.text)
            case "thinking_delta":
                return self.out.reasoning(delta.thinking)
            case "input_json_delta" if delta.partial_json:
                if index not in self._calls:
                    raise UnreadableAnswer("arguments of no tool call")
                self._unsaid.pop(index, None)
                return self.out.arguments(self._calls[index], delta.partial_json)
        return b""


def stream(call: Call) -> Stream:
    return Stream(ChunkWriter(call.model, call.at))
