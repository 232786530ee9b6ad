"""Endpoints that an upstream without them can answer from chat, as a table (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from appliance.gateway.dialects import (
    messages_answer,
    messages_request,
    responses_answer,
    responses_request,
)
from appliance.providers.call import Call

CHAT = "chat/completions"
COUNT_TOKENS = "messages/count_tokens"


class Telling(Protocol):
    """A chat stream on its way to the app in its own dialect: whole chat frames in, whole events out.

    Both raise UnreadableAnswer. `failed`: an error was told, and there will be no good end. `number` is that of the
    next event, where events are numbered.
    """

    failed: bool
    number: int

    def feed(self, chunk: bytes) -> bytes: ...

    def finish(self) -> bytes:
        """The events that end it well, which only go out once the exchange is recorded."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """`as_chat` raises CannotTranslate, `whole` UnreadableAnswer."""

    as_chat: Callable[[Call], Call]
    whole: Callable[[Call, bytes], bytes]
    stream: Callable[[Call], Telling]


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "messages": Dialect(messages_request.as_chat, messages_answer.whole, messages_answer.Stream),
        "responses": Dialect(responses_request.as_chat, responses_answer.whole, responses_answer.Stream),
    }
)
