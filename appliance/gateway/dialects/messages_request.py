"""Anthropic's Messages request, told as chat (pure). Version 2023-06-01 of that API.

Hints that change nothing of an answer (`cache_control`, `service_tier`, `metadata` beyond its `user_id`, citations that
are off) go no further. Everything else is told, or refused by its name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.gateway.dialects.member import Member, Members, chat_call, members_of
from appliance.providers.call import Call

_HINTS = ("cache_control",)


def as_chat(call: Call) -> Call:
    """Raises CannotTranslate."""
    members = members_of(call)
    members.drop("model", "stream", "service_tier", *_HINTS)
    chat: dict[str, Any] = {"model": call.model, "messages": _system(members.take("system"))}
    messages = members.need("messages")
    for message in messages.items():
        chat["messages"] += _message(message)
    if not messages.items():
        raise messages.refused("must not be empty.")
    if chat["messages"][-1]["role"] == "assistant":
        raise messages.refused("must not end with the assistant's own words: the model's server begins a turn anew.")
    chat["max_tokens"] = members.need("max_tokens").count()
    chat |= {name: each.number() for name, each in members.take_all("temperature", "top_p", "top_k")}
    if (stop := members.take("stop_sequences")) is not None:
        chat["stop"] = [each.text() for each in stop.items()]
    chat |= _metadata(members) | _tools(members) | _output(members)
    if (thinking := members.take("thinking")) is not None:
        _no_thinking(thinking)
    members.refuse_others()
    return chat_call(call, chat)


def _system(system: Member | None) -> list[dict[str, Any]]:
    if system is None or system.value in ("", []):
        return []
    if isinstance(system.value, str):
        return [{"role": "system", "content": system.value}]
    return [{"role": "system", "content": "\n\n".join(_text_block(each) for each in system.items())}]


def _text_block(block: Member) -> str:
    members = block.members()
    members.need("type").one_of("text")
    text = members.need("text").text()
    members.drop(*_HINTS, "citations")
    members.refuse_others()
    return text


def _message(message: Member) -> list[dict[str, Any]]:
    members = message.members()
    role = members.need("role").one_of("user", "assistant")
    content = members.need("content")
    members.refuse_others()
    if isinstance(content.value, str):
        return [{"role": role, "content": content.value}]
    return _assistant(content) if role == "assistant" else _user(content)


def _user(content: Member) -> list[dict[str, Any]]:
    """A turn's blocks in their order: what tools gave are messages of their own, the rest is the user's."""
    told: list[dict[str, Any]] = []
    for block in content.items():
        members = block.members()
        kind = members.need("type").one_of("text", "image", "tool_result")
        if kind == "tool_result":
            told.append(_tool_result(members))
            continue
        part = {"type": "text", "text": _text_block(block)} if kind == "text" else _image(members)
        if not told or told[-1]["role"] != "user":
            told.append({"role": "user", "content": []})
        told[-1]["content"].append(part)
    for each in told:
        parts = each["content"]
        if each["role"] == "user" and len(parts) == 1 and parts[0]["type"] == "text":
            each["content"] = parts[0]["text"]
    return told


def _image(members: Members) -> dict[str, Any]:
    source = members.need("source").members()
    members.drop(*_HINTS)
    members.refuse_others()
    if source.need("type").one_of("base64", "url") == "url":
        url = source.need("url").text()
    else:
        url = f"data:{source.need('media_type').text()};base64,{source.need('data').text()}"
    source.refuse_others()
    return {"type": "image_url", "image_url": {"url": url}}


def _tool_result(members: Members) -> dict[str, Any]:
    """A failed tool's result has no place of its own in chat: it is told as an object that says so."""
    call_id = members.need("tool_use_id").text()
    content = members.take("content")
    text = ""
    if content is not None:
        text = content.value if isinstance(content.value, str) else "\n".join(map(_text_block, content.items()))
    failed = members.take("is_error")
    members.drop(*_HINTS)
    members.refuse_others()
    if failed is not None and failed.flag():
        text = _encoded({"is_error": True, "content": text})
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def _assistant(content: Member) -> list[dict[str, Any]]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in content.items():
        members = block.members()
        if members.need("type").one_of("text", "tool_use") == "text":
            texts.append(_text_block(block))
            continue
        function = {"name": members.need("name").text(), "arguments": _encoded(members.need("input").object())}
        calls.append({"id": members.need("id").text(), "type": "function", "function": function})
        members.drop(*_HINTS, "caller")
        members.refuse_others()
    told: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    if calls:
        told["tool_calls"] = calls
    else:
        told["content"] = "".join(texts)
    return [told]


def _encoded(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def _metadata(members: Members) -> dict[str, Any]:
    metadata = members.take("metadata")
    if metadata is None:
        return {}
    told = metadata.members()
    user = told.take("user_id")
    told.refuse_others()
    return {"user": user.text()} if user is not None else {}


def _tools(members: Members) -> dict[str, Any]:
    chat: dict[str, Any] = {}
    tools = members.take("tools")
    if tools is not None and tools.value:
        chat["tools"] = [_tool(each.members()) for each in tools.items()]
    choice = members.take("tool_choice")
    if choice is None:
        return chat
    told = choice.members()
    kind = told.need("type").one_of("auto", "any", "none", "tool")
    if kind == "tool":
        chat["tool_choice"] = {"type": "function", "function": {"name": told.need("name").text()}}
    else:
        chat["tool_choice"] = "required" if kind == "any" else kind
    one_at_a_time = told.take("disable_parallel_tool_use")
    if one_at_a_time is not None:
        chat["parallel_tool_calls"] = not one_at_a_time.flag()
    told.refuse_others()
    return chat


def _tool(members: Members) -> dict[str, Any]:
    if (kind := members.take("type")) is not None:
        kind.one_of("custom")
    function: dict[str, Any] = {"name": members.need("name").text()}
    if (description := members.take("description")) is not None:
        function["description"] = description.text()
    function["parameters"] = members.need("input_schema").object()
    if (strict := members.take("strict")) is not None:
        function["strict"] = strict.flag()
    members.drop(*_HINTS, "eager_input_streaming")
    members.refuse_others()
    return {"type": "function", "function": function}


def _output(members: Members) -> dict[str, Any]:
    chat: dict[str, Any] = {}
    form = members.take("output_format")
    config = members.take("output_config")
    if config is not None:
        told = config.members()
        form = told.take("format") or form
        if (effort := told.take("effort")) is not None:
            chat["reasoning_effort"] = effort.one_of("low", "medium", "high")
        told.refuse_others()
    if form is not None:
        told = form.members()
        told.need("type").one_of("json_schema")
        schema = {"name": "output", "schema": told.need("schema").object(), "strict": True}
        told.refuse_others()
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
    return chat


def _no_thinking(thinking: Member) -> None:
    told = thinking.members()
    told.need("type").one_of("disabled")
    told.refuse_others()
