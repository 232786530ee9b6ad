"""From bytes at the door to a `Call`: the body read within its limit, the few members looked at that routing needs.

Unknown members and query strings are none of the gateway's business and pass through untouched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.types import Receive

from appliance.gateway.errors import BodiesTakeAllMemory, BodyTooLarge, EncodingNotTaken, InvalidRequest, RequestTimeout
from appliance.providers.call import Call

BODY_LIMIT_BYTES = 32 * 1024 * 1024
BODY_SECONDS = 30.0
BODIES_LIMIT_BYTES = 512 * 1024 * 1024
"""The large bodies that one worker holds at once, of calls that are read and of calls that are answered."""
LARGE_BYTES = 256 * 1024
SLOWEST_BYTES_PER_SECOND = 16 * 1024
"""A body is whole within BODY_SECONDS and as long again as it would take at this pace."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_number = msgspec.json.Decoder(int)


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


_stream_options = msgspec.json.Decoder(_StreamOptions | None)


class ClientGone(Exception):
    """The app hung up before its request was whole."""


class BodyWatch:
    """Bodies that are being waited for, and the memory of large ones for as long as their calls last.

    A timer for each would be a tenth of a call's cost; `look` is called now and then instead. Bodies below LARGE_BYTES
    are not counted: a worker has not enough connections for them to matter.
    """

    def __init__(self, seconds: float = BODY_SECONDS, limit: int = BODIES_LIMIT_BYTES) -> None:
        self.seconds = seconds
        self.held = 0
        self._limit = limit
        self._due: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()

    def begin(self) -> asyncio.Task[Any]:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a body is read in a task")
        self._due[task] = task.get_loop().time() + self.seconds
        return task

    def extend(self, task: asyncio.Task[Any], received: int) -> None:
        self._due[task] += received / SLOWEST_BYTES_PER_SECOND

    def hold(self, before: int, now: int) -> None:
        """A body that was `before` bytes is `now`. Raises BodiesTakeAllMemory, and then counts nothing of it more."""
        more = _counted(now) - _counted(before)
        if self.held + more > self._limit:
            raise BodiesTakeAllMemory(
                "The large requests under way take all the memory that this gateway gives them.",
                headers=((b"retry-after", b"1"),),
            )
        self.held += more

    def let_go(self, size: int) -> None:
        """The call of a body of so many bytes is over."""
        self.held -= _counted(size)

    def end(self, task: asyncio.Task[Any]) -> None:
        del self._due[task]

    def was_late(self, task: asyncio.Task[Any]) -> bool:
        if task not in self._late:
            return False
        self._late.remove(task)
        task.uncancel()
        return True

    def look(self, now: float) -> None:
        """Ends the waiting for those that are late. `now` is the event loop's time."""
        for task, due in self._due.items():
            if due < now and task not in self._late:
                self._late.add(task)
                task.cancel()


def _counted(size: int) -> int:
    return size if size > LARGE_BYTES else 0


async def read_body(receive: Receive, watch: BodyWatch) -> bytes:
    """The whole body, which is `watch.let_go`'s when the call is over. Raises BodyTooLarge, RequestTimeout, ClientGone,
    BodiesTakeAllMemory."""
    task = watch.begin()
    held = 0
    whole = False
    try:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message["body"]
            if len(body) > BODY_LIMIT_BYTES:
                raise _too_large()
            watch.hold(0, len(body))
            return body
        parts: list[bytes] = []
        while message["type"] == "http.request":
            parts.append(message["body"])
            size = held + len(parts[-1])
            if size > BODY_LIMIT_BYTES:
                raise _too_large()
            watch.hold(held, size)
            held = size
            if not message.get("more_body", False):
                whole = True
                return b"".join(parts)
            watch.extend(task, len(parts[-1]))
            message = await receive()
    except asyncio.CancelledError:
        if watch.was_late(task):
            raise RequestTimeout("The request body did not come in time.") from None
        raise
    finally:
        watch.end(task)
        if not whole:
            watch.let_go(held)
    raise ClientGone


def refuse_encoded(headers: Mapping[bytes, bytes]) -> None:
    """Raises EncodingNotTaken for a compressed body."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"", b"identity"):
        raise EncodingNotTaken("A request body with a content-encoding is not taken.")


def parse_call(
    endpoint: str, body: bytes, query: str = "", at: float = 0.0, passed: tuple[tuple[str, str], ...] = ()
) -> Call:
    """The call in this body. Raises InvalidRequest naming the member at fault."""
    try:
        members = _members.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest("The request body is not a JSON object.") from exc
    model = members.get("model")
    if model is None:
        raise InvalidRequest("The request names no model.", param="model")
    try:
        alias = _text.decode(model)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest("The model must be a string of valid UTF-8.", param="model") from exc
    stream = bytes(members.get("stream", b"false"))
    if stream not in (b"true", b"false", b"null"):
        raise InvalidRequest("The member stream must be true or false.", param="stream")
    return Call(
        endpoint,
        alias,
        members,
        stream=stream == b"true",
        wants_usage=_wants_usage(members.get("stream_options")),
        choices=_choices(members.get("n")),
        query=query,
        at=at,
        passed=passed,
    )


def _choices(n: msgspec.Raw | None) -> int:
    """How many choices were asked for. What is no number is the upstream's to refuse."""
    try:
        return max(1, _number.decode(n)) if n is not None else 1
    except msgspec.DecodeError:
        return 1


def _wants_usage(options: msgspec.Raw | None) -> bool:
    if options is None:
        return False
    try:
        decoded = _stream_options.decode(options)
    except msgspec.DecodeError as exc:
        raise InvalidRequest("The member stream_options is not well-formed.", param="stream_options") from exc
    return bool(decoded and decoded.include_usage)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {BODY_LIMIT_BYTES // 2**20} MiB.")
