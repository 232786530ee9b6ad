"""What an app asks for and what an upstream answers, in the gateway's own terms: the seam between gateway and
providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Provider:
    """A wire format. Exactly one of `request` (build what is to be sent) and `answer` (answer here) is there."""

    needs: ProviderNeeds
    request: Callable[[Call, Deployment, str | None], UpstreamRequest] | None = None
    answer: Callable[[Call, Deployment], Reply] | None = None
