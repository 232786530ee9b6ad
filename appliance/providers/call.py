"""What an app asks for and what an upstream answers, in the gateway's own terms: the seam between gateway and
providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from appliance.config.model import Deployment, ProviderNeeds


class Form(Protocol):
    """A multipart body on its way: never whole in memory, so it can be given to one upstream only."""

    content_type: str
    spent: bool
    fault: Exception | None

    def with_model(self, model: str) -> AsyncIterator[bytes]:
        """The body, its part `model` replaced."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One request as parsed at the door. `members` are the body's members, undecoded where nobody needs to look inside.

    `wants_usage` is whether the client itself asked for usage in its stream; `choices` is its `n`. `endpoint` is the
    path below /v1, `query` what stood behind it, passed on as it is. `at` is when it is put to an upstream, in seconds
    since 1970: what a signature is made for, and what an answer that has no time of its own is stamped with. `form` is
    the body where it is multipart; `passed` are headers of the app's own that go along to the endpoint's own provider.
    """

    endpoint: str
    model: str
    members: dict[str, msgspec.Raw]
    stream: bool
    wants_usage: bool
    choices: int = 1
    query: str = ""
    at: float = 0.0
    form: Form | None = None
    passed: tuple[tuple[str, str], ...] = ()


class CannotTranslate(Exception):
    """A member that this provider cannot be told faithfully. `param` names it; the app is told so."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class UnreadableAnswer(Exception):
    """The upstream's answer is not in the shape that its provider publishes."""


@dataclass(frozen=True, slots=True, repr=False)
class UpstreamRequest:
    """An HTTP request to be sent: nothing in it is decided later."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | AsyncIterator[bytes]


class Reply(Protocol):
    """An upstream's answer, its body not yet read."""

    status: int
    content_type: str
    retry_after: int | None  # seconds
    content_encoding: str | None

    async def read(self) -> bytes: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def close(self) -> None: ...


class Translation(Protocol):
    """A stream on its way from a provider's wire to the endpoint's own: any cut of bytes in, whole frames out.

    Both raise UnreadableAnswer.
    """

    def feed(self, chunk: bytes) -> bytes: ...

    def finish(self) -> bytes:
        """What is still to be said after the upstream's last byte."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """How a call to one endpoint is put to a provider. Pure.

    Where `whole` and `stream` are None, the provider answers in the endpoint's own shape. `refusal` turns status and
    body of an answer that is none into the status that it means and a body `{"error": {"message", "type", ...}}`.
    `request` raises CannotTranslate, and msgspec.DecodeError for a member that is not what its name promises; `whole`
    raises UnreadableAnswer.
    """

    request: Callable[[Call, Deployment, str | None], UpstreamRequest]
    whole: Callable[[Call, bytes], bytes] | None = None
    stream: Callable[[Call], Translation] | None = None
    refusal: Callable[[int, bytes], tuple[int, bytes]] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """What is sent in a key's place; `expires_at` in seconds since 1970."""

    value: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """How a long-lived credential is exchanged for an access token (pure; the gateway sends).

    `request` takes the credential and the time in seconds since 1970; it raises ValueError for one that is none.
    `read` takes the answer's body and the same time; it raises UnreadableAnswer.
    """

    request: Callable[[str, float], UpstreamRequest]
    read: Callable[[bytes, float], AccessToken]


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider by name: the `wires` it has by endpoint (the path below /v1), or an `answer` made here.

    With a `grant`, its wires are given an access token in place of the configured key.
    """

    needs: ProviderNeeds
    wires: Mapping[str, Wire] = field(default_factory=dict)
    answer: Callable[[Call, Deployment], Reply] | None = None
    grant: TokenGrant | None = None
