"""What native providers answer, told in OpenAI's shape: the same words, calls, reasons and counts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from appliance.gateway.stream import Relay
from appliance.providers.call import Translation, UnreadableAnswer
from tests.appliance.providers.natives import BY_NAME, NATIVES, Native, chat_call, frames
from tests.appliance.providers.recorded import ARGUMENTS, GEMINI_KEY_ERROR, TEXT, aws_message, sse

CALL = replace(chat_call(), at=1_700_000_000.9)
each_native = pytest.mark.parametrize("native", NATIVES, ids=lambda native: native.name)


def whole(native: Native, body: dict[str, Any]) -> dict[str, Any]:
    assert native.chat.whole is not None
    told: dict[str, Any] = json.loads(native.chat.whole(CALL, json.dumps(body, ensure_ascii=False).encode()))
    return told


def translation(native: Native) -> Translation:
    assert native.chat.stream is not None
    return native.chat.stream(CALL)


def streamed(native: Native, data: bytes) -> bytes:
    made = translation(native)
    return made.feed(data) + made.finish()


def gathered(data: bytes) -> tuple[dict[str, Any], str | None, dict[str, Any] | None]:
    """A stream's one choice as the message that a client would put together, its reason, and its usage."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "tool_calls": []}
    reason, usage = None, None
    for frame in frames(data):
        usage = frame.get("usage") or usage
        for choice in frame["choices"]:
            reason = choice["finish_reason"] or reason
            for name in ("content", "reasoning_content"):
                message[name] += choice["delta"].get(name) or ""
            for call in choice["delta"].get("tool_calls", []):
                if call["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append({**call, "function": dict(call["function"])})
                else:
                    message["tool_calls"][call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return message, reason, usage


@each_native
def test_words_reason_and_counts_are_told(native: Native) -> None:
    told = whole(native, native.text)
    (choice,) = told["choices"]
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == (TEXT, "hm")
    assert (choice["finish_reason"], choice["index"], choice["message"]["role"]) == ("stop", 0, "assistant")
    assert "tool_calls" not in choice["message"]
    assert (told["object"], told["created"]) == ("chat.completion", 1_700_000_000)
    usage = told["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (20, 7, 27)
    assert usage["prompt_tokens_details"] == {"cached_tokens": 6}


def test_reasoning_is_counted_where_the_provider_tells_it() -> None:
    usage = whole(BY_NAME["gemini"], BY_NAME["gemini"].text)["usage"]
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 2}
    assert "completion_tokens_details" not in whole(BY_NAME["anthropic"], BY_NAME["anthropic"].text)["usage"]


@each_native
def test_calls_made_together_are_told_with_their_arguments(native: Native) -> None:
    (choice,) = whole(native, native.tools)["choices"]
    first, second = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Let me see."
    assert (first["function"]["name"], second["function"]["name"]) == ("weather", "now")
    assert json.loads(first["function"]["arguments"]) == json.loads(ARGUMENTS)
    assert second["function"]["arguments"] == "{}"
    assert first["type"] == second["type"] == "function"
    assert first["id"] != second["id"]


@each_native
@pytest.mark.parametrize("which", ["text", "tool"])
def test_a_stream_says_what_the_whole_answer_says(native: Native, which: str) -> None:
    body, data = (native.text, native.text_stream) if which == "text" else (native.tools, native.tool_stream)
    expected = whole(native, body)
    message, reason, usage = gathered(streamed(native, data))
    (choice,) = expected["choices"]
    assert message["content"] == choice["message"]["content"]
    assert message["reasoning_content"] == choice["message"].get("reasoning_content", "")
    assert (reason, usage) == (choice["finish_reason"], expected["usage"])
    calls = choice["message"].get("tool_calls", [])
    assert len(message["tool_calls"]) == len(calls)
    for told, call in zip(message["tool_calls"], calls, strict=True):
        assert told["function"]["name"] == call["function"]["name"]
        assert json.loads(told["function"]["arguments"]) == json.loads(call["function"]["arguments"])
        assert told.get("extra_content") == call.get("extra_content")
        if native.name != "gemini":
            assert told["id"] == call["id"]


@each_native
@pytest.mark.parametrize("which", ["text_stream", "tool_stream", "broken_stream"])
def test_however_a_stream_is_cut_its_frames_are_the_same(native: Native, which: str) -> None:
    data: bytes = getattr(native, which)
    expected = streamed(native, data)
    for cut in range(len(data) + 1):
        made = translation(native)
        assert made.feed(data[:cut]) + made.feed(data[cut:]) + made.finish() == expected, cut
    made = translation(native)
    assert b"".join(made.feed(data[n : n + 1]) for n in range(len(data))) + made.finish() == expected


@each_native
def test_the_gateway_meters_a_stream_and_knows_that_it_has_ended(native: Native) -> None:
    relay = Relay(show_usage=False)
    relay.feed(streamed(native, native.text_stream))
    assert relay.usage is not None
    assert (relay.usage.prompt_tokens, relay.usage.completion_tokens, relay.usage.cached_tokens) == (20, 7, 6)
    assert (relay.done, relay.finished, relay.failed) == (True, True, False)


@each_native
def test_a_stream_that_fails_says_so_and_never_that_it_is_done(native: Native) -> None:
    told = streamed(native, native.broken_stream)
    assert b"[DONE]" not in told
    assert frames(told)[-1]["error"]["message"] in ("Overloaded", "Too fast")
    relay = Relay(show_usage=False)
    relay.feed(told)
    assert (relay.failed, relay.done, relay.finished) == (True, False, False)


@each_native
def test_a_stream_that_just_stops_is_not_finished(native: Native) -> None:
    half = native.text_stream[: len(native.text_stream) // 2]
    relay = Relay(show_usage=False)
    relay.feed(streamed(native, half))
    assert not relay.done
    assert not relay.finished


@each_native
def test_an_answer_in_another_shape_is_unreadable(native: Native) -> None:
    assert native.chat.whole is not None
    for body in (b"", b"{}", b"[]", b"<html>", b'{"content":5}', b'{"output":{}}', b'{"candidates":[{"content":7}]}'):
        with pytest.raises(UnreadableAnswer):
            native.chat.whole(CALL, body)
    with pytest.raises(UnreadableAnswer):
        translation(native).feed(b"data: {\n\n" + bytes(64))


@pytest.mark.parametrize(
    ("native", "reasons"),
    [
        (
            "anthropic",
            {
                "max_tokens": "length",
                "model_context_window_exceeded": "length",
                "stop_sequence": "stop",
                "refusal": "content_filter",
                "pause_turn": "pause_turn",
            },
        ),
        (
            "bedrock",
            {
                "max_tokens": "length",
                "model_context_window_exceeded": "length",
                "stop_sequence": "stop",
                "guardrail_intervened": "content_filter",
                "content_filtered": "content_filter",
                "malformed_tool_use": "malformed_tool_use",
            },
        ),
        (
            "gemini",
            {
                "MAX_TOKENS": "length",
                "SAFETY": "content_filter",
                "RECITATION": "content_filter",
                "MALFORMED_FUNCTION_CALL": "malformed_function_call",
            },
        ),
    ],
)
def test_why_an_answer_ended_is_told_or_passed_on_in_the_providers_word(native: str, reasons: dict[str, str]) -> None:
    made = BY_NAME[native]
    for reason, expected in reasons.items():
        body = json.loads(json.dumps(made.text))
        place = {"anthropic": body, "bedrock": body, "gemini": body.get("candidates", [{}])[0]}[native]
        place[{"anthropic": "stop_reason", "bedrock": "stopReason", "gemini": "finishReason"}[native]] = reason
        assert whole(made, body)["choices"][0]["finish_reason"] == expected


def test_a_prompt_that_gemini_blocks_is_content_filtered() -> None:
    gemini = BY_NAME["gemini"]
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}}
    told = whole(gemini, body)
    assert told["choices"][0]["finish_reason"] == "content_filter"
    assert told["usage"]["prompt_tokens"] == 9
    _, reason, usage = gathered(streamed(gemini, sse(body)))
    assert (reason, (usage or {})["prompt_tokens"]) == ("content_filter", 9)


def test_every_choice_of_gemini_is_told_and_ends_for_itself() -> None:
    parts = [{"content": {"parts": [{"text": f"answer {n}"}]}, "finishReason": "STOP", "index": n} for n in range(2)]
    told = whole(BY_NAME["gemini"], {"candidates": parts})
    assert [each["message"]["content"] for each in told["choices"]] == ["answer 0", "answer 1"]
    relay = Relay(show_usage=False, choices=2)
    relay.feed(streamed(BY_NAME["gemini"], sse({"candidates": parts})))
    assert (relay.finished, relay.done) == (True, True)


def test_geminis_signature_goes_out_with_its_call() -> None:
    first = whole(BY_NAME["gemini"], BY_NAME["gemini"].tools)["choices"][0]["message"]["tool_calls"][0]
    assert first["extra_content"] == {"google": {"thought_signature": "sig=="}}


def test_arguments_of_anthropic_keep_their_very_digits() -> None:
    text = '{"big":123456789012345678901234567890,"small":1.50,"e":1e400}'
    body = json.dumps(BY_NAME["anthropic"].tools).replace(json.dumps(json.loads(ARGUMENTS)), text)
    assert text in body
    assert BY_NAME["anthropic"].chat.whole is not None
    told = json.loads(BY_NAME["anthropic"].chat.whole(CALL, body.encode()))
    assert told["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == text


def test_a_changed_byte_in_awss_stream_is_noticed() -> None:
    data = bytearray(aws_message("messageStart", {"role": "assistant"}))
    data[-6] ^= 1
    with pytest.raises(UnreadableAnswer):
        translation(BY_NAME["bedrock"]).feed(bytes(data))


def test_errors_are_told_in_openais_shape_with_the_status_that_they_mean() -> None:
    bedrock, gemini = (BY_NAME[name].chat.refusal for name in ("bedrock", "gemini"))
    assert bedrock is not None
    assert gemini is not None
    status, body = bedrock(400, json.dumps(BY_NAME["bedrock"].error).encode())
    assert (status, json.loads(body)["error"]["message"]) == (400, "messages: too odd")
    assert bedrock(424, b'{"message":"the model failed"}')[0] == 502
    assert bedrock(400, b"<html>") == (400, b"<html>")
    status, body = gemini(400, json.dumps(BY_NAME["gemini"].error).encode())
    assert (status, json.loads(body)["error"]["code"]) == (400, "INVALID_ARGUMENT")
    assert gemini(400, json.dumps([BY_NAME["gemini"].error]).encode())[1] == body
    assert gemini(400, json.dumps(GEMINI_KEY_ERROR).encode())[0] == 401
    assert gemini(400, b"[]") == (400, b"[]")
