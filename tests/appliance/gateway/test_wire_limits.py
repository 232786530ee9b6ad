"""Each limit at the door: its cap and its error, seen over raw sockets; and that one connection is one opinion of a
request."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from appliance.gateway.request import BODY_LIMIT_BYTES
from appliance.gateway.server import HEADER_SECONDS, HEADERS_LIMIT_BYTES
from tests.appliance.gateway.upstreams import SCRIPTS, STREAM_HEAD, Received, Upstream, chunk
from tests.appliance.gateway.wire import Line
from tests.appliance.gateways import Gateway, models_text

pytestmark = pytest.mark.real

STREAMS = 4
BODIES_MIB = 64
FLOOD = 400 * 2**20


async def _flood(received: Received, out: asyncio.StreamWriter) -> None:
    """Writes as fast as it is read, and notes how much that was."""
    out.write(STREAM_HEAD)
    piece = chunk(b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 60_000 + b'"}}]}\n\n')
    while received.written < FLOOD:
        out.write(piece)
        await out.drain()
        received.written += len(piece)


SCRIPTS["flood"] = _flood


@pytest.fixture(scope="module")
def small(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of few streams."""
    folder = tmp_path_factory.mktemp("limits")
    settings = folder / "settings.toml"
    settings.write_text(f"streams_per_worker = {STREAMS}\nbody_memory_mib = {BODIES_MIB}\n")
    routes = {name: [f"http://127.0.0.1:{upstream.port}/{name}/v1"] for name in ("good", "endless", "flood")}
    made = Gateway(folder, models_text(routes))
    made.extra_environment["AO_SETTINGS"] = str(settings)
    made.start()
    yield made
    made.stop()


def said(gateway: Gateway, data: bytes, seconds: float = 0.5) -> bytes:
    """All that comes back on a connection of its own; `<end>` where the gateway closed it."""
    out = b""
    with closing(socket.create_connection(("127.0.0.1", gateway.port))) as line:
        line.settimeout(seconds)
        line.sendall(data)
        try:
            while piece := line.recv(65_536):
                out += piece
        except TimeoutError:
            return out
        except ConnectionResetError:
            pass
    return out + b"<end>"


BODY = json.dumps({"model": "good", "messages": [{"role": "user", "content": "x"}]}).encode()
SMUGGLED = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKED = b"transfer-encoding: chunked\r\n"

REFUSED = {
    "two lengths": LENGTH + b"content-length: 3\r\n\r\n" + BODY,
    "a list of lengths": b"content-length: %d, %d\r\n\r\n" % (len(BODY), len(BODY)) + BODY,
    "a length with a sign": b"content-length: +%d\r\n\r\n" % len(BODY) + BODY,
    "a bare CR in a header": b"x-a: b\rc: d\r\n" + LENGTH + b"\r\n" + BODY,
    "a folded header": b"x-a: b\r\n c\r\n" + LENGTH + b"\r\n" + BODY,
    "a space before the colon": b"content-length : %d\r\n\r\n" % len(BODY) + BODY,
    "a zero byte in a header": b"x-a: b\x00c\r\n" + LENGTH + b"\r\n" + BODY,
    "an unknown coding": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked not last": b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two codings": CHUNKED + b"transfer-encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
}


def head(gateway: Gateway, version: str = "1.1") -> bytes:
    line = f"POST /v1/chat/completions HTTP/{version}\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
    return line.encode()


@pytest.mark.parametrize("rest", REFUSED.values(), ids=list(REFUSED))
def test_a_request_of_two_meanings_is_refused_and_its_connection_closed(small: Gateway, rest: bytes) -> None:
    before = len(small.lines())
    answer = said(small, head(small) + rest, 5)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"<end>")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert len(small.lines()) == before


@pytest.mark.parametrize("length", [b"5", b"0", b"%d" % len(BODY)])
def test_with_a_length_and_chunks_the_chunks_count_and_nothing_behind_them(small: Gateway, length: bytes) -> None:
    """RFC 9112, 6.3: the coding overrides the length, and the connection is closed behind it."""
    answer = said(
        small, head(small) + b"content-length: " + length + b"\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED, 5
    )
    assert answer.startswith(b"HTTP/1.1 400 ")  # an empty body
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"<end>")


def test_chunks_are_not_taken_from_a_client_that_cannot_know_them(small: Gateway) -> None:
    answer = said(small, head(small, "1.0") + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED, 5)
    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert answer.endswith(b"<end>")


@pytest.mark.parametrize("size", [b"0x5", b"-1", b"5g", b"ffffffffffffffffff"])
def test_a_chunk_of_no_size_ends_the_connection(small: Gateway, size: bytes) -> None:
    answer = said(small, head(small) + CHUNKED + b"\r\n" + size + b"\r\nhello\r\n0\r\n\r\n" + SMUGGLED, 5)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b" 200 " not in answer
    assert answer.endswith(b"<end>")


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * (2 * HEADERS_LIMIT_BYTES) + b"\r\n\r\n",
        b"GET /v1/models?" + b"a" * (2 * HEADERS_LIMIT_BYTES) + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(150)) + b"\r\n",
    ],
    ids=["one header too long", "a target too long", "too many headers"],
)
def test_a_head_beyond_its_limit_is_refused(small: Gateway, request_head: bytes) -> None:
    assert said(small, request_head, 5).startswith(b"HTTP/1.1 431 ")


def test_a_head_within_its_limit_is_read(small: Gateway) -> None:
    padding = b"x-a: " + b"a" * (HEADERS_LIMIT_BYTES - 8000) + b"\r\n"
    assert said(small, head(small) + padding + LENGTH + b"\r\n" + BODY).startswith(b"HTTP/1.1 200 ")


def test_a_head_that_does_not_end_is_given_up(small: Gateway) -> None:
    """Slowloris: bytes drip, the head never ends."""
    with closing(socket.create_connection(("127.0.0.1", small.port))) as line:
        line.settimeout(HEADER_SECONDS + 15)
        since = time.monotonic()
        line.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
        time.sleep(1)
        line.sendall(b"x-a: ")
        assert line.recv(1000) in (b"", b"HTTP/1.1 408 Request Timeout\r\n")
        assert time.monotonic() - since > HEADER_SECONDS / 2


def test_a_body_beyond_its_limit_is_refused_at_once_or_when_it_gets_there(small: Gateway) -> None:
    with Line(small) as line:
        line.write(head(small) + b"content-length: %d\r\n\r\n" % (BODY_LIMIT_BYTES + 1))
        try:
            for _ in range(BODY_LIMIT_BYTES // 2**20 + 1):
                line.write(b" " * 2**20)
        except (BrokenPipeError, ConnectionResetError):
            return  # closed while it was still being sent
        assert line.head().status == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip"])
def test_a_compressed_body_is_refused(small: Gateway, encoding: str) -> None:
    answer = said(small, head(small) + f"content-encoding: {encoding}\r\n".encode() + LENGTH + b"\r\n" + BODY)
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"content_encoding_not_taken" in answer


def test_identity_is_no_encoding(small: Gateway) -> None:
    answer = said(small, head(small) + b"content-encoding: identity\r\n" + LENGTH + b"\r\n" + BODY)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_one_stream_too_many_is_refused_and_told_when_to_come_again(small: Gateway) -> None:
    lines = [Line(small) for _ in range(STREAMS)]
    try:
        for line in lines:
            line.call("endless", stream=True)
            assert line.head().status == 200
        with Line(small) as late:
            since = late.call("good", stream=True)
            answer = late.chunks(late.head(), since)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert b"too_many_streams" in answer.body
        with Line(small) as other:
            other.call("good")
            assert other.head().status == 200, "calls that are no streams have their own room"
    finally:
        for line in lines:
            line.__exit__()
    deadline = time.monotonic() + 5
    while small.post("good", stream=True).status_code != 200:
        assert time.monotonic() < deadline, "those that left have given up their places"
        time.sleep(0.1)


def wait_for_answers(lines: list[Line]) -> list[Line]:
    ready, _, _ = select.select(lines, [], [], 30)
    return ready


def memory_mib(gateway: Gateway) -> int:
    return max(
        int(line.split()[1]) // 1024
        for pid in gateway.workers()
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )


def test_a_reader_that_stalls_holds_back_the_upstream_and_no_memory(small: Gateway, upstream: Upstream) -> None:
    before = memory_mib(small)
    with Line(small) as line:
        line.call("flood", stream=True, x_marker="stalls")
        assert line.head().status == 200
        written, steady = -1, 0
        deadline = time.monotonic() + 30
        while steady < 3:
            assert time.monotonic() < deadline
            time.sleep(0.3)
            now = upstream.of("stalls")[0].written
            steady = steady + 1 if now == written else 0
            written = now
        assert 0 < written < FLOOD / 4, "what the sockets hold, and no more"
        assert memory_mib(small) - before < 40


def test_large_bodies_at_once_take_so_much_memory_and_the_next_is_told_to_come_again(small: Gateway) -> None:
    begun = head(small) + b"content-length: %d\r\n\r\n" % BODY_LIMIT_BYTES
    before = memory_mib(small)
    with ExitStack() as stack:
        lines = [stack.enter_context(Line(small)) for _ in range(3)]
        for line in lines:
            line.write(begun)
        for _ in range(25):
            for line in lines:
                with suppress(ConnectionError):  # one is answered before it has said all
                    line.write(bytes(2**20))
        (answered,) = wait_for_answers(lines)
        answer = answered.head()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert memory_mib(small) - before < 2 * BODIES_MIB
    for size in (1, 20):
        body = {"model": "good", "messages": [{"role": "user", "content": "x" * (size * 2**20)}]}
        for _ in range(5):
            assert small.post("good", messages=body["messages"]).status_code == 200, "and lets go of it"


def test_many_at_once_are_all_answered(small: Gateway) -> None:
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: small.post("good").status_code, range(64)))
    assert set(statuses) == {200}
