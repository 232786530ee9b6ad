"""OpenAI's Responses request, told as chat and without any state (pure).

What would need an earlier answer kept, a task in the background or a tool that runs at the server is refused by its
name. Nothing is stored: `store` may be false or absent, and the answer says that it was not.
"""

from __future__ import annotations

from typing import Any

from appliance.gateway.dialects.member import Member, Members, chat_call, members_of
from appliance.providers.call import Call

_AS_THEY_ARE = ("temperature", "top_p")
_HINTS = ("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "metadata")
_STATE = "needs earlier answers to be kept, and nothing is kept here; send the whole conversation as input."


def as_chat(call: Call) -> Call:
    """Raises CannotTranslate."""
    members = members_of(call)
    members.drop("model", "stream", *_HINTS)
    _refuse_state(members)
    chat: dict[str, Any] = {"model": call.model, "messages": []}
    if (instructions := members.take("instructions")) is not None:
        chat["messages"].append({"role": "system", "content": instructions.text()})
    chat["messages"] += _input(members.need("input"))
    if not chat["messages"]:
        raise Member([], "input").refused("must not be empty.")
    if (limit := members.take("max_output_tokens")) is not None:
        chat["max_tokens"] = limit.count()
    chat |= {name: each.number() for name, each in members.take_all(*_AS_THEY_ARE)}
    chat |= {name: each.text() for name, each in members.take_all("user")}
    chat |= _text(members) | _reasoning(members) | _tools(members)
    _vacuous(members)
    members.refuse_others()
    return chat_call(call, chat)


def _refuse_state(members: Members) -> None:
    for _, each in members.take_all("previous_response_id", "conversation", "prompt"):
        raise each.refused(_STATE)
    for _, each in members.take_all("store", "background"):
        if each.flag():
            raise each.refused(_STATE)


def _vacuous(members: Members) -> None:
    """Members that ask for nothing, as long as they say what holds anyway."""
    if (truncation := members.take("truncation")) is not None:
        truncation.one_of("disabled")
    if (include := members.take("include")) is not None:
        for each in include.items():
            each.one_of("reasoning.encrypted_content")  # there is no reasoning item that it could be in
    if (options := members.take("stream_options")) is not None:
        told = options.members()
        if (padding := told.take("include_obfuscation")) is not None and padding.flag():
            raise padding.refused("cannot be true: nothing pads the events here.")
        told.refuse_others()


def _input(given: Member) -> list[dict[str, Any]]:
    if isinstance(given.value, str):
        return [{"role": "user", "content": given.value}]
    told: list[dict[str, Any]] = []
    for item in given.items():
        members = item.members()
        kind = members.take("type") or Member("message", f"{item.place}.type")
        match kind.one_of("message", "function_call", "function_call_output"):
            case "message":
                told.append(_message(members))
            case "function_call":
                _add_call(told, _function_call(members))
            case _:
                told.append(_function_output(members))
    return told


def _message(members: Members) -> dict[str, Any]:
    role = members.need("role").one_of("user", "assistant", "system", "developer")
    content = members.need("content")
    members.drop("id", "status", "phase")
    members.refuse_others()
    role = "system" if role == "developer" else role
    if isinstance(content.value, str):
        return {"role": role, "content": content.value}
    parts = [_part(each.members()) for each in content.items()]
    if role != "user" or (len(parts) == 1 and parts[0]["type"] == "text"):
        return {"role": role, "content": "".join(_only_text(part, content) for part in parts)}
    return {"role": role, "content": parts}


def _only_text(part: dict[str, Any], content: Member) -> str:
    if part["type"] != "text":
        raise content.refused("may hold pictures, sound or files in a user's message only.")
    return str(part["text"])


def _part(members: Members) -> dict[str, Any]:
    kind = members.need("type").one_of(
        "input_text", "output_text", "refusal", "input_image", "input_audio", "input_file"
    )
    told: dict[str, Any]
    match kind:
        case "input_text" | "output_text":
            told = {"type": "text", "text": members.need("text").text()}
            members.drop("annotations", "logprobs")
        case "refusal":
            told = {"type": "text", "text": members.need("refusal").text()}
        case "input_image":
            image = {"url": members.need("image_url").text()}
            image |= {name: each.text() for name, each in members.take_all("detail")}
            told = {"type": "image_url", "image_url": image}
        case "input_audio":
            told = {"type": "input_audio", "input_audio": members.need("input_audio").object()}
        case _:
            file = {"file_data": members.need("file_data").text()}
            file |= {name: each.text() for name, each in members.take_all("filename")}
            told = {"type": "file", "file": file}
    members.refuse_others()
    return told


def _function_call(members: Members) -> dict[str, Any]:
    function = {"name": members.need("name").text(), "arguments": members.need("arguments").text()}
    told = {"id": members.need("call_id").text(), "type": "function", "function": function}
    members.drop("id", "status")
    members.refuse_others()
    return told


def _add_call(told: list[dict[str, Any]], call: dict[str, Any]) -> None:
    """Calls of one turn stand in one message, behind what was said with them."""
    if not told or told[-1]["role"] != "assistant":
        told.append({"role": "assistant", "content": None})
    told[-1].setdefault("tool_calls", []).append(call)


def _function_output(members: Members) -> dict[str, Any]:
    call_id = members.need("call_id").text()
    output = members.need("output")
    members.drop("id", "status")
    members.refuse_others()
    if isinstance(output.value, str):
        return {"role": "tool", "tool_call_id": call_id, "content": output.value}
    texts = [_only_text(_part(each.members()), output) for each in output.items()]
    return {"role": "tool", "tool_call_id": call_id, "content": "\n".join(texts)}


def _text(members: Members) -> dict[str, Any]:
    chat: dict[str, Any] = {}
    text = members.take("text")
    if text is None:
        return chat
    told = text.members()
    chat |= {name: each.text() for name, each in told.take_all("verbosity")}
    form = told.take("format")
    told.refuse_others()
    if form is None:
        return chat
    shape = form.members()
    kind = shape.need("type").one_of("text", "json_object", "json_schema")
    if kind == "json_schema":
        schema: dict[str, Any] = {"name": shape.need("name").text(), "schema": shape.need("schema").object()}
        schema |= {name: each.text() for name, each in shape.take_all("description")}
        schema |= {name: each.flag() for name, each in shape.take_all("strict")}
        chat["response_format"] = {"type": kind, "json_schema": schema}
    elif kind == "json_object":
        chat["response_format"] = {"type": kind}
    shape.refuse_others()
    return chat


def _reasoning(members: Members) -> dict[str, Any]:
    reasoning = members.take("reasoning")
    if reasoning is None:
        return {}
    told = reasoning.members()
    effort = told.take("effort")
    if (summary := told.take("summary")) is not None:
        summary.one_of("auto")  # the best that there is, which is none
    told.refuse_others()
    return {"reasoning_effort": effort.text()} if effort is not None else {}


def _tools(members: Members) -> dict[str, Any]:
    chat: dict[str, Any] = {}
    tools = members.take("tools")
    if tools is not None and tools.value:
        chat["tools"] = [_tool(each.members()) for each in tools.items()]
    if (parallel := members.take("parallel_tool_calls")) is not None and "tools" in chat:
        chat["parallel_tool_calls"] = parallel.flag()
    choice = members.take("tool_choice")
    if choice is None:
        return chat
    if isinstance(choice.value, str):
        chat["tool_choice"] = choice.one_of("auto", "none", "required")
    else:
        told = choice.members()
        told.need("type").one_of("function")
        chat["tool_choice"] = {"type": "function", "function": {"name": told.need("name").text()}}
        told.refuse_others()
    return chat


def _tool(members: Members) -> dict[str, Any]:
    members.need("type").one_of("function")
    function: dict[str, Any] = {"name": members.need("name").text()}
    function |= {name: each.text() for name, each in members.take_all("description")}
    function |= {name: each.object() for name, each in members.take_all("parameters")}
    function |= {name: each.flag() for name, each in members.take_all("strict")}
    members.refuse_others()
    return {"type": "function", "function": function}
