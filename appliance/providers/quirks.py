"""What is odd about providers that speak OpenAI's wire, as names that a row may carry, and what each does (pure).

A quirk renames what means the same, takes out what is the default anyway, or refuses by name what would not be done.
None makes something else of what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import msgspec

from appliance.providers.call import Call, CannotTranslate

Members = dict[str, msgspec.Raw]
Change = Callable[[Members, Call], None]

ENDPOINTS = frozenset({"chat/completions", "completions"})
"""The calls that quirks are about."""

_encoder = msgspec.json.Encoder()
_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def max_tokens(members: Members, _: Call) -> None:
    """Knows max_tokens only: max_completion_tokens is called so."""
    if (given := members.pop("max_completion_tokens", None)) is not None and bytes(given) != b"null":
        members["max_tokens"] = given


def max_completion_tokens(members: Members, _: Call) -> None:
    """Knows max_completion_tokens only: max_tokens is called so."""
    if (given := members.pop("max_tokens", None)) is not None and bytes(given) != b"null":
        members.setdefault("max_completion_tokens", given)


def no_stream_options(members: Members, _: Call) -> None:
    """Refuses stream_options, and tells usage in its streams without being asked."""
    members.pop("stream_options", None)


def no_usage_in_stream(members: Members, call: Call) -> None:
    """Never tells usage in a stream: an app that asks for it is told so, others are metered by estimate."""
    members.pop("stream_options", None)
    if call.stream and call.wants_usage:
        raise CannotTranslate("This provider tells no usage in a stream.", "stream_options.include_usage")


def one_choice(members: Members, call: Call) -> None:
    """Makes one choice and knows no n."""
    if call.choices > 1:
        raise CannotTranslate("This provider makes one choice only.", "n")
    members.pop("n", None)


def system_for_developer(members: Members, call: Call) -> None:
    """Knows the role system, and not its later name, developer."""
    if call.endpoint != "chat/completions" or b"developer" not in bytes(members.get("messages", b"")):
        return
    try:
        messages = _messages.decode(members["messages"])
    except msgspec.DecodeError:
        return  # the provider's to refuse
    for message in messages:
        if bytes(message.get("role", b"")) == b'"developer"':
            message["role"] = msgspec.Raw(b'"system"')
    members["messages"] = msgspec.Raw(_encoder.encode(messages))


def any_for_required(members: Members, _: Call) -> None:
    """Calls the tool choice `required` by the name `any`."""
    if bytes(members.get("tool_choice", b"")) == b'"required"':
        members["tool_choice"] = msgspec.Raw(b'"any"')


def auto_tool_choice(members: Members, _: Call) -> None:
    """Ignores any tool choice but auto."""
    given = bytes(members.pop("tool_choice", b"null"))
    if given not in (b"null", b'"auto"'):
        raise CannotTranslate("This provider takes the tool choice auto only.", "tool_choice")


def random_seed(members: Members, _: Call) -> None:
    """Calls the seed random_seed."""
    if (given := members.pop("seed", None)) is not None:
        members["random_seed"] = given


def no_json_schema(members: Members, _: Call) -> None:
    """Does not keep to a JSON schema."""
    if b'"json_schema"' in bytes(members.get("response_format", b"")):
        raise CannotTranslate("This provider does not keep to a json_schema.", "response_format")


def no_strict_tools(members: Members, _: Call) -> None:
    """Ignores `strict` in a tool."""
    if b'"strict":true' in bytes(members.get("tools", b"")).replace(b" ", b""):
        raise CannotTranslate("This provider does not keep to a tool's schema (strict).", "tools")


QUIRKS: Mapping[str, Change] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            max_tokens,
            max_completion_tokens,
            no_stream_options,
            no_usage_in_stream,
            one_choice,
            system_for_developer,
            any_for_required,
            auto_tool_choice,
            random_seed,
            no_json_schema,
            no_strict_tools,
        )
    }
)
_SILENT = frozenset({"no_stream_options", "no_usage_in_stream"})


def as_it_takes(call: Call, quirks: Iterable[str]) -> Call:
    """The call in the words that a provider with these quirks knows. Raises CannotTranslate."""
    names = list(quirks)
    if not names or call.endpoint not in ENDPOINTS:
        return call
    members = dict(call.members)
    for name in names:
        QUIRKS[name](members, call)
    # `wants_usage` is what keeps stream_options from being put in again.
    return replace(call, members=members, wants_usage=call.wants_usage or not _SILENT.isdisjoint(names))
