"""What Google's generateContent answers, whole and as a stream, in OpenAI's chat shape (pure)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

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
from appliance.providers.sse import Events

_FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
}
_NOTHING = msgspec.Raw()


class _Camel(msgspec.Struct, rename="camel"):
    """Google writes camelCase."""


class _FunctionCall(_Camel):
    name: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    id: str = ""


class _Part(_Camel):
    text: str | None = None
    thought: bool = False
    function_call: _FunctionCall | None = None
    thought_signature: str | None = None
    inline_data: msgspec.Raw = _NOTHING


class _Content(_Camel):
    parts: list[_Part] = []


class _Candidate(_Camel):
    content: _Content = msgspec.field(default_factory=_Content)
    finish_reason: str | None = None
    index: int = 0


class _Usage(_Camel):
    prompt_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0

    def counts(self) -> Counts:
        return Counts(
            prompt=self.prompt_token_count + self.tool_use_prompt_token_count,
            completion=self.candidates_token_count + self.thoughts_token_count,
            cached=self.cached_content_token_count,
            reasoning=self.thoughts_token_count,
        )


class _Feedback(_Camel):
    block_reason: str | None = None


class _Error(_Camel):
    message: str = "The model server failed."
    status: str | None = None
    details: msgspec.Raw = _NOTHING


class _Reply(_Camel):
    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: _Error | None = None

    def blocked(self) -> bool:
        return not self.candidates and self.prompt_feedback is not None and bool(self.prompt_feedback.block_reason)


_reply = msgspec.json.Decoder(_Reply)
_errors = msgspec.json.Decoder(_Reply | list[_Reply])


def finish_reason(native: str, *, called: bool) -> str:
    """OpenAI's word for it; a reason that has none is told in Google's own."""
    if native == "STOP" and called:
        return "tool_calls"
    return _FINISH_REASONS.get(native, native.lower())


def whole(call: Call, body: bytes) -> bytes:
    """A generateContent answer as a chat completion. Raises UnreadableAnswer."""
    try:
        return _completion(call, body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UnreadableAnswer(str(exc)) from exc


def _completion(call: Call, body: bytes) -> bytes:
    reply = _reply.decode(body)
    id_ = reply.response_id or "chatcmpl-" + hashlib.sha256(body).hexdigest()[:24]
    choices = [_choice(candidate, id_) for candidate in reply.candidates]
    if reply.blocked():
        choices = [Choice(finish_reason="content_filter")]
    elif not choices:
        raise UnreadableAnswer("an answer without candidates")
    counts = reply.usage_metadata.counts() if reply.usage_metadata else None
    return completion(id_, reply.model_version or call.model, call.at, choices, counts)


def _choice(candidate: _Candidate, id_: str) -> Choice:
    choice = Choice(candidate.index)
    for part in candidate.content.parts:
        _refuse_pictures(part)
        if part.function_call:
            choice.calls.append(_call(part, f"{id_}-{candidate.index}-{len(choice.calls)}"))
        elif part.text:
            (choice.reasoning if part.thought else choice.texts).append(part.text)
    choice.finish_reason = finish_reason(candidate.finish_reason or "STOP", called=bool(choice.calls))
    return choice


def _call(part: _Part, id_: str) -> dict[str, Any]:
    """Google's calls have no id of their own at most models; `extra_content` is where its OpenAI-compatible endpoint
    puts the signature too."""
    used = part.function_call
    if used is None:
        raise UnreadableAnswer("a call without a function")
    arguments = msgspec.json.format(bytes(used.args), indent=-1)
    call = tool_call(used.id or f"call_{id_}", used.name, arguments.decode())
    if part.thought_signature:
        call["extra_content"] = {"google": {"thought_signature": part.thought_signature}}
    return call


def _refuse_pictures(part: _Part) -> None:
    if bytes(part.inline_data):
        raise UnreadableAnswer("a picture, for which a chat answer has no place")


def refusal(status: int, body: bytes) -> tuple[int, bytes]:
    """Google's error body in OpenAI's shape. A key that is no good comes as 400: that is this gateway's fault (401)."""
    try:
        told = _errors.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return status, body
    error = (told[0] if told else _Reply()) if isinstance(told, list) else told
    if error.error is None:
        return status, body
    if status == 400 and b"API_KEY_INVALID" in bytes(error.error.details):
        status = 401
    return status, error_body(error.error.message, "invalid_request_error", error.error.status)


@dataclass(slots=True, repr=False)
class Stream:
    """Each event is a part of the answer; usage grows with them, and the last one counts. The stream just ends."""

    out: ChunkWriter
    _events: Events = field(default_factory=Events)
    _usage: _Usage | None = None
    _calls: dict[int, int] = field(default_factory=dict)
    """Choice → how many tool calls it has made."""
    _ended: bool = False
    _failed: bool = False

    def feed(self, chunk: bytes) -> bytes:
        try:
            return b"".join(self._told(_reply.decode(data)) for data in self._events.feed(chunk) if not self._failed)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise UnreadableAnswer(str(exc)) from exc

    def finish(self) -> bytes:
        usage = self.out.usage(self._usage.counts()) if self._usage else b""
        return usage + (DONE if self._ended and not self._failed else b"")

    def _told(self, reply: _Reply) -> bytes:
        if reply.error:
            self._failed = True
            return error_frame(reply.error.message, reply.error.status or "api_error")
        self._usage = reply.usage_metadata or self._usage
        self.out.id = reply.response_id or self.out.id
        self.out.model = reply.model_version or self.out.model
        if reply.blocked():
            self._ended = True
            return self.out.delta({}, finish_reason="content_filter")
        return b"".join(self._candidate(each) for each in reply.candidates)

    def _candidate(self, candidate: _Candidate) -> bytes:
        index = candidate.index
        frames = [self._part(part, index) for part in candidate.content.parts]
        if candidate.finish_reason:
            self._ended = True
            reason = finish_reason(candidate.finish_reason, called=bool(self._calls.get(index)))
            frames.append(self.out.delta({}, index=index, finish_reason=reason))
        return b"".join(frames)

    def _part(self, part: _Part, index: int) -> bytes:
        _refuse_pictures(part)
        if part.function_call:
            number = self._calls.get(index, 0)
            self._calls[index] = number + 1
            return self.out.call(number, _call(part, f"{self.out.id}-{index}-{number}"), index=index)
        if not part.text:
            return b""
        return self.out.reasoning(part.text, index=index) if part.thought else self.out.text(part.text, index=index)


def stream(call: Call) -> Stream:
    return Stream(ChunkWriter(call.model, call.at))
