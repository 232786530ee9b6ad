"""What an app asks for and what an upstream answers, in the gateway's own terms: the seam between gateway and
providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from appliance.config.model import Deployment, ProviderNeeds


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One request as parsed at the door. `members` are the body's members, undecoded where nobody needs to look inside.

    `wants_usage` is whether the client itself asked for usage in its stream; `choices` is its `n`. `endpoint` is the
    path below /v1, `query` what stood behind it, passed on as it is.
    """

    endpoint: str
    model: str
    members: dict[str, msgspec.Raw]
    stream: bool
    wants_usage: bool
    choices: int = 1
    query: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class UpstreamRequest:
    """An HTTP request to be sent: nothing in it is decided later."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Reply(Protocol):
    """An upstream's answer, its body not yet read."""

    status: int
    content_type: str
    retry_after: str | None

    async def read(self) -> bytes: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def close(self) -> None: ...


class Translation(Protocol):
    """A stream on its way from a provider's wire to the endpoint's own: any cut of bytes in, whole frames out."""

    def feed(self, chunk: bytes) -> bytes: ...

    def finish(self) -> bytes:
        """What is still to be said after the upstream's last byte."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """How a call to one endpoint is put to a provider. Pure.

    Where `whole` and `stream` are None, the provider answers in the endpoint's own shape. `request` raises
    msgspec.DecodeError for a member that is not what its name promises.
    """

    request: Callable[[Call, Deployment, str | None], UpstreamRequest]
    whole: Callable[[Call, bytes], bytes] | None = None
    stream: Callable[[Call], Translation] | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider by name: the `wires` it has by endpoint (the path below /v1), or an `answer` made here."""

    needs: ProviderNeeds
    wires: Mapping[str, Wire] = field(default_factory=dict)
    answer: Callable[[Call, Deployment], Reply] | None = None
