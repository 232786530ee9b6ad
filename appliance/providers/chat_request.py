"""OpenAI's chat request as plain values, for providers that speak otherwise (pure).

Whatever is read here has a meaning that an adapter can put in its own words, or refuses by name. A member that is not
known is refused, except those of HARMLESS: they say nothing to the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from appliance.providers.call import Call, CannotTranslate
from appliance.providers.member import Fields, Member

HARMLESS: Mapping[str, str] = MappingProxyType(
    {
        "user": "a label for the provider's abuse desk; the ledger here knows the caller",
        "safety_identifier": "as user",
        "metadata": "labels for stored answers, and nothing is stored",
        "prompt_cache_key": "a hint for a cache; the answer is the same without it",
        "prompt_cache_retention": "as prompt_cache_key",
        "stream_options": "a native stream always tells its usage; the gateway shows it to whoever asked",
    }
)
"""Dropped, and why that changes nothing that the model reads or the app gets."""

NEUTRAL: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "store": (b"false",),
        "n": (b"1",),
        "logprobs": (b"false",),
        "presence_penalty": (b"0", b"0.0"),
        "frequency_penalty": (b"0", b"0.0"),
        "logit_bias": (b"{}",),
        "modalities": (b'["text"]',),
        "service_tier": (b'"auto"', b'"default"'),
        "parallel_tool_calls": (b"true",),
    }
)
"""Members at the value that they have anyway: dropped at that value, else the adapter's to take or to refuse."""

_READ = ("model", "messages", "stream", "tools", "tool_choice", "max_tokens", "max_completion_tokens", "stop")
_DATA_URL = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,", re.IGNORECASE)
_ECHOED = ("refusal", "annotations", "audio", "function_call", "reasoning_content", "reasoning")


@dataclass(frozen=True, slots=True, repr=False)
class Text:
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Image:
    """`data` is base64; where it is None, the picture is somewhere else, at `member`'s address."""

    media_type: str
    data: str | None
    url: str
    member: Member


Part = Text | Image


@dataclass(frozen=True, slots=True, repr=False)
class ToolCall:
    """`arguments` is a JSON object, in the bytes that were sent. `extra` is what an answer's `extra_content` held."""

    id: str
    name: str
    arguments: msgspec.Raw
    extra: Fields | None


@dataclass(frozen=True, slots=True, repr=False)
class System:
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class User:
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Assistant:
    text: tuple[str, ...]
    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True, repr=False)
class ToolResult:
    call_id: str
    name: str
    parts: tuple[Part, ...]


Turn = User | Assistant | ToolResult


@dataclass(frozen=True, slots=True, repr=False)
class Tool:
    name: str
    description: str | None
    parameters: msgspec.Raw | None
    strict: bool


@dataclass(frozen=True, slots=True, repr=False)
class ToolChoice:
    """`mode` is auto, none, required, or `function` with its `name`."""

    mode: str
    name: str | None
    member: Member


@dataclass(frozen=True, slots=True, repr=False)
class ResponseFormat:
    """`schema` is None for any JSON object."""

    schema: msgspec.Raw | None
    name: str | None
    description: str | None
    member: Member


@dataclass(frozen=True, slots=True, repr=False)
class ChatRequest:
    """`others` are the remaining members by name, for the adapter to take or refuse (`refuse_others`)."""

    system: tuple[str, ...]
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    max_tokens: int | None
    stop: tuple[str, ...]
    response_format: ResponseFormat | None
    others: Mapping[str, Member]

    def number(self, name: str) -> int | float | None:
        member = self.others.get(name)
        return member.number() if member else None

    def refuse_others(self, *taken: str) -> None:
        """Refuses the first member that this adapter has no word for."""
        for name, member in self.others.items():
            if name not in taken:
                raise member.refused("cannot be told to this provider.")


def read_chat(call: Call) -> ChatRequest:
    """The request in these members. Raises CannotTranslate naming the member at fault."""
    body = Fields(call.members)
    system, turns = _messages(body.need("messages"))
    others = {
        each.path: each
        for each in body.beside(*_READ, "response_format", *HARMLESS)
        if bytes(each.raw) not in NEUTRAL.get(each.path, ())
    }
    given = [found for name in ("max_completion_tokens", "max_tokens") if (found := body.get(name))]
    return ChatRequest(
        system=system,
        turns=turns,
        tools=tuple(_tool(each) for each in _items(body.get("tools"))),
        tool_choice=_tool_choice(body.get("tool_choice")),
        max_tokens=given[0].whole_number() if given else None,
        stop=_stop(body.get("stop")),
        response_format=_response_format(body.get("response_format")),
        others=others,
    )


def object_text(text: str, member: Member) -> msgspec.Raw:
    """JSON that stands in a string, as it is; refused where it is not an object."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as exc:
        raise member.refused("is not a JSON object.") from exc
    return msgspec.Raw(text.encode())


def _messages(member: Member) -> tuple[tuple[str, ...], tuple[Turn, ...]]:
    system: list[str] = []
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for each in member.items():
        turn = _turn(each.fields(), names)
        if not isinstance(turn, System):
            turns.append(turn)
        elif turns:
            # Native wires have one place for it, before the conversation: moving it there would change what it says.
            raise each.refused("is a system message after the conversation has begun.")
        else:
            system.extend(turn.texts)
        if isinstance(turn, Assistant):
            names.update((call.id, call.name) for call in turn.calls)
    if not turns:
        raise member.refused("has no user message.")
    return tuple(system), tuple(turns)


def _turn(message: Fields, names: Mapping[str, str]) -> System | Turn:
    role = message.need("role")
    match role.text():
        case "system" | "developer":
            message.only("role", "content")
            return System(tuple(_texts(message.need("content"))))
        case "user":
            message.only("role", "content")
            return User(tuple(_parts(message.need("content"))))
        case "assistant":
            return _assistant(message)
        case "tool":
            message.only("role", "content", "tool_call_id", "name")
            id_ = message.need("tool_call_id")
            name = names.get(id_.text())
            if name is None:
                raise id_.refused("answers no tool call of an earlier message.")
            return ToolResult(id_.text(), name, tuple(_parts(message.need("content"))))
        case _:
            raise role.refused("is none of system, developer, user, assistant, tool.")


def _assistant(message: Fields) -> Assistant:
    """What a model said earlier. Reasoning that came with it is not sent back: providers take it only with a signature
    that OpenAI's shape has no place for, and none needs it."""
    message.only("role", "content", "tool_calls", *_ECHOED)
    for name in ("audio", "function_call"):
        if found := message.get(name):
            raise found.refused("cannot be told to this provider.")
    content, refusal = message.get("content"), message.text("refusal")
    texts = [*(_texts(content) if content else ()), *([refusal] if refusal else ())]
    calls = tuple(_call(each) for each in _items(message.get("tool_calls")))
    if not calls and content is None and refusal is None:
        raise CannotTranslate(f"The member {message.prefix}content is missing.", message.prefix + "content")
    return Assistant(tuple(text for text in texts if text), calls)


def _call(member: Member) -> ToolCall:
    call = member.fields()
    call.only("id", "type", "function", "index", "extra_content")
    kind = call.get("type")
    if kind and kind.text() != "function":
        raise kind.refused("is not function.")
    function = call.need("function").fields()
    function.only("name", "arguments")
    arguments = function.get("arguments")
    text = arguments.text() if arguments else ""
    extra = call.get("extra_content")
    return ToolCall(
        id=call.need("id").text(),
        name=function.need("name").text(),
        arguments=object_text(text, arguments) if arguments and text.strip() else msgspec.Raw(b"{}"),
        extra=extra.fields() if extra else None,
    )


def _texts(content: Member) -> list[str]:
    if content.is_text:
        return [content.text()]
    texts = []
    for each in content.items():
        part = each.fields()
        kind = part.need("type")
        if kind.text() not in ("text", "refusal"):
            raise kind.refused("is not text.")
        part.only("type", kind.text())
        texts.append(part.need(kind.text()).text())
    return texts


def _parts(content: Member) -> Iterator[Part]:
    if content.is_text:
        yield Text(content.text())
        return
    for each in content.items():
        part = each.fields()
        kind = part.need("type")
        match kind.text():
            case "text":
                part.only("type", "text")
                yield Text(part.need("text").text())
            case "image_url":
                part.only("type", "image_url")
                yield _image(part.need("image_url"))
            case _:
                raise kind.refused("is none that this provider takes: text, image_url.")


def _image(member: Member) -> Image:
    image = member.fields()
    image.only("url", "detail")
    detail = image.get("detail")
    if detail and detail.text() != "auto":
        raise detail.refused("cannot be told to this provider; leave it out.")
    url = image.need("url")
    address = url.text()
    found = _DATA_URL.match(address)
    if found:
        return Image(found.group(1).lower(), address[found.end() :], "", url)
    if address.startswith("data:"):
        raise url.refused("is a data: URL that is not in base64.")
    return Image("", None, address, url)


def _items(member: Member | None) -> list[Member]:
    return member.items() if member else []


def _tool(member: Member) -> Tool:
    tool = member.fields()
    kind = tool.need("type")
    if kind.text() != "function":
        raise kind.refused("is not function.")
    tool.only("type", "function")
    function = tool.need("function").fields()
    function.only("name", "description", "parameters", "strict")
    parameters, strict = function.get("parameters"), function.get("strict")
    return Tool(
        name=function.need("name").text(),
        description=function.text("description") or None,
        parameters=parameters.object_as_it_is() if parameters else None,
        strict=strict.flag() if strict else False,
    )


def _tool_choice(member: Member | None) -> ToolChoice | None:
    if member is None:
        return None
    if member.is_text:
        mode = member.text()
        if mode not in ("auto", "none", "required"):
            raise member.refused("is none of auto, none, required, or a function.")
        return ToolChoice(mode, None, member)
    choice = member.fields()
    kind = choice.need("type")
    if kind.text() != "function":
        raise kind.refused("is not function.")
    choice.only("type", "function")
    function = choice.need("function").fields()
    function.only("name")
    return ToolChoice("function", function.need("name").text(), member)


def _stop(member: Member | None) -> tuple[str, ...]:
    if member is None:
        return ()
    return (member.text(),) if member.is_text else tuple(each.text() for each in member.items())


def _response_format(member: Member | None) -> ResponseFormat | None:
    if member is None:
        return None
    form = member.fields()
    kind = form.need("type")
    match kind.text():
        case "text":
            return None
        case "json_object":
            return ResponseFormat(None, None, None, member)
        case "json_schema":
            form.only("type", "json_schema")
            schema = form.need("json_schema").fields()
            schema.only("name", "description", "schema", "strict")
            given = schema.need("schema").object_as_it_is()
            return ResponseFormat(given, schema.text("name"), schema.text("description"), member)
        case _:
            raise kind.refused("is none of text, json_object, json_schema.")


def as_messages(
    turns: Iterable[Turn], content_of: Callable[[Turn], list[dict[str, Any]]], *, model: str, content: str
) -> list[dict[str, Any]]:
    """The conversation for a wire of two roles, `model` and "user", with what is said under `content`.

    Results of tools are the user's to tell, all of one turn in one message; neighbours of one role become one.
    """
    messages: list[dict[str, Any]] = []
    for turn in turns:
        role = model if isinstance(turn, Assistant) else "user"
        said = content_of(turn)
        if messages and messages[-1]["role"] == role:
            messages[-1][content] += said
        elif said:
            messages.append({"role": role, content: said})
    return messages
