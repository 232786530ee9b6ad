"""Answers as they may come: in any pieces, in any of HTTP's ways, and in none of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.gateway.http_client.connection import HEAD_LIMIT_BYTES, HELD_LIMIT_BYTES, Answer, Broken, Connection

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: a\r\ncontent-length: 11\r\n\r\nhello world"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n1;ext=1\r\n \r\n005\r\nworld\r\n0\r\ntrailer: t\r\n\r\n"
)
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\ncontent-type: a\r\n\r\nhello world"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
EARLIER = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n"


@dataclass
class Transport(asyncio.Transport):
    """What a connection does to its socket, noted down."""

    written: bytes = b""
    aborted: bool = False
    paused: bool = False
    log: list[str] = field(default_factory=list)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def writelines(self, list_of_data: Any) -> None:
        self.written += b"".join(list_of_data)

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@dataclass
class Line:
    connection: Connection
    transport: Transport
    rested: list[Connection]
    answer: Answer

    async def read(self) -> bytes:
        await asyncio.wait_for(self.answer.headed(), 5)
        body = await asyncio.wait_for(self.answer.read(1 << 20), 5)
        assert body is not None
        return body


def asked() -> Line:
    rested: list[Connection] = []
    with socket.socket() as unused:
        connection, transport = Connection(unused, rested.append), Transport()
    connection.connection_made(transport)
    return Line(connection, transport, rested, connection.ask(b"POST / HTTP/1.1\r\n\r\n", b"{}"))


def on_a_loop(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 30))


@given(st.sampled_from([LENGTH, CHUNKED, UNTIL_CLOSE]), st.booleans(), st.sets(st.integers(0, 250)))
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(told: bytes, earlier: bool, cuts: set[int]) -> None:
    whole = EARLIER * earlier + told
    places = [0, *sorted(cut for cut in cuts if 0 < cut < len(whole)), len(whole)]

    async def scene() -> None:
        line = asked()
        for start, end in pairwise(places):
            line.connection.data_received(whole[start:end])
        if told is UNTIL_CLOSE:
            assert not line.rested
            line.connection.connection_lost(None)
        else:
            assert line.rested == [line.connection]
        assert await line.read() == b"hello world"
        assert (line.answer.status, line.answer.headers[b"content-type"]) == (200, b"a")
        assert b"trailer" not in line.answer.headers
        assert b"link" not in line.answer.headers

    on_a_loop(scene)


def test_each_piece_is_there_as_soon_as_it_came() -> None:
    async def scene() -> None:
        line = asked()
        head, first, rest = CHUNKED.partition(b"5\r\nhello\r\n")
        line.connection.data_received(head)
        await line.answer.headed()
        chunks = line.answer.chunks()
        line.connection.data_received(first)
        assert await anext(chunks) == b"hello"
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        assert not waiting.done()
        line.connection.data_received(rest)
        assert await waiting == b" "
        assert [each async for each in chunks] == [b"world"]

    on_a_loop(scene)


@pytest.mark.parametrize(
    "told",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5,5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\nx: a\n\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloworld\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (HEAD_LIMIT_BYTES // 6 + 1),
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * HEAD_LIMIT_BYTES,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;" + b"e" * (HEAD_LIMIT_BYTES + 1),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nt: " + b"e" * (HEAD_LIMIT_BYTES + 1),
        b"HTTP/1.1 100 Continue\r\n\r\n" * (HEAD_LIMIT_BYTES // 25 + 1),
    ],
    ids=lambda told: told[9:60].decode("latin-1").replace("\r\n", "|").replace("\0", "0"),
)
def test_what_is_no_answer_in_http_ends_the_call(told: bytes) -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(told)
        assert line.transport.aborted
        line.connection.connection_lost(None)
        with pytest.raises(Broken):
            await line.read()
        assert not line.rested

    on_a_loop(scene)


@pytest.mark.parametrize("cut", range(1, len(CHUNKED)))
def test_an_answer_that_ends_early_is_never_whole(cut: int) -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(CHUNKED[:cut])
        line.connection.connection_lost(None)
        with pytest.raises(Broken):
            await line.read()
        assert not line.rested

    on_a_loop(scene)


def test_what_ends_with_the_connection_must_not_end_with_a_fault() -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(UNTIL_CLOSE)
        line.connection.connection_lost(ConnectionResetError())
        with pytest.raises(Broken):
            await line.read()

    on_a_loop(scene)


@pytest.mark.parametrize(
    "told",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_an_answer_without_a_body_is_whole_at_its_head(told: bytes) -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(told)
        assert await line.read() == b""
        assert line.rested

    on_a_loop(scene)


@pytest.mark.parametrize(
    "told",
    [
        LENGTH.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
        LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0"),
        LENGTH + b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        LENGTH + b"x",
        CHUNKED + CHUNKED,
    ],
)
def test_a_connection_that_is_over_or_said_too_much_is_not_used_again(told: bytes) -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(told)
        assert await line.read() == b"hello world"
        assert not line.rested
        assert line.transport.aborted

    on_a_loop(scene)


def test_what_nobody_asked_for_ends_the_connection() -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(LENGTH)
        line.connection.data_received(LENGTH)
        assert line.transport.aborted
        assert line.connection.has_gone(look=False)

    on_a_loop(scene)


def test_no_more_is_taken_from_the_network_than_is_read() -> None:
    async def scene() -> None:
        line = asked()
        part = b"x" * 40_000
        line.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n" + part)
        assert not line.transport.paused, "less than what may wait"
        line.connection.data_received(part)
        chunks = line.answer.chunks()
        paused = [line.transport.paused]
        for _ in range(2):
            await anext(chunks)
            paused.append(line.transport.paused)
        assert paused == [True, True, False]
        assert 2 * len(part) > HELD_LIMIT_BYTES

    on_a_loop(scene)


def test_an_old_answer_that_is_read_late_does_not_move_what_came_after_it() -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(LENGTH)
        line.connection.ask(b"POST / HTTP/1.1\r\n\r\n", b"{}")
        line.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n" + b"x" * 100_000)
        assert line.transport.paused
        assert await line.read() == b"hello world"
        assert line.transport.paused
        line.answer.drop()
        assert not line.transport.aborted

    on_a_loop(scene)


def test_what_had_come_before_a_fault_is_read_and_then_the_fault_is_told() -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(STREAM_HEAD + b"1d4c0\r\n" + b"x" * 120_000 + b"\r\n1\r\ny\r\n")
        line.connection.data_received(b"no length\r\n")
        assert line.transport.aborted
        chunks = line.answer.chunks()
        assert (await anext(chunks), await anext(chunks)) == (b"x" * 120_000, b"y")
        with pytest.raises(Broken):
            await anext(chunks)

    on_a_loop(scene)


def test_a_connection_that_ended_before_it_was_asked_says_so_at_once() -> None:
    async def scene() -> None:
        for speaks in (False, True):
            line = asked()
            line.connection.data_received(LENGTH)
            if speaks:
                line.connection.data_received(b"220 mail ready\r\n")
            else:
                line.connection.connection_lost(None)
            with pytest.raises(Broken):
                await asyncio.wait_for(line.connection.ask(b"POST / HTTP/1.1\r\n\r\n", b"{}").headed(), 1)

    on_a_loop(scene)


def test_an_answer_that_is_larger_than_wanted_ends_the_call() -> None:
    async def scene() -> None:
        line = asked()
        line.connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert await line.answer.read(4) is None
        assert line.transport.aborted

    on_a_loop(scene)
