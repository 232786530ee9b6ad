"""Connections over real sockets: kept, given up, ended at once, and none to who is not believed."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from appliance.gateway.http_client import pool as pool_module
from appliance.gateway.http_client.connection import Broken
from appliance.gateway.http_client.pool import CannotConnect, Pool
from tests.appliance.gateway.http_client.raw_server import Raw, raw, saying

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LIMIT = 1 << 20


def on_a_loop(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The loop that workers run on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scene(), 30))


async def call(pool: Pool, server: Raw, body: bytes | AsyncIterator[bytes] = b"{}") -> bytes | None:
    answer = await pool.post(server.url, (("content-type", "application/json"),), body, 5.0)
    return await answer.read(LIMIT)


async def nothing(_: asyncio.StreamWriter) -> None:
    return


async def gone(server: Raw) -> None:
    """Until the client's side of a connection has ended; within the second that is promised."""
    await asyncio.wait_for(server.ended.get(), 1.0)


def test_a_connection_is_used_again() -> None:
    async def scene() -> None:
        async with raw(saying(OK)) as server:
            pool = Pool()
            for _ in range(3):
                assert await call(pool, server, b"question") == b"{}"
            assert server.connections == 1
            assert server.bodies == [b"question"] * 3
            assert server.heads[0].startswith(
                b"POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\n"
            )

    on_a_loop(scene)


def test_calls_at_once_have_a_connection_each_and_leave_it_to_the_next() -> None:
    async def scene() -> None:
        async with raw(saying(OK)) as server:
            pool = Pool()
            for _ in range(2):
                assert await asyncio.gather(*(call(pool, server) for _ in range(5))) == [b"{}"] * 5
            assert server.connections == 5

    on_a_loop(scene)


def test_a_connection_that_the_server_has_ended_is_not_used_again() -> None:
    async def scene() -> None:
        async with raw(saying(OK, ends=True)) as server:
            pool = Pool()
            for _ in range(3):
                assert await call(pool, server) == b"{}"
                await gone(server)
                await asyncio.sleep(0.05)
            assert server.connections == 3

    on_a_loop(scene)


def test_a_connection_that_has_ended_unnoticed_is_seen_when_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "LOOKED_AT_AFTER_SECONDS", 0.0)

    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"

            def serve(times: int) -> None:
                for _ in range(times):
                    peer, _address = listening.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(OK)
                        ended.append(peer.recv(1) if times == 1 else b"")

            ended: list[bytes] = []
            serving = asyncio.get_running_loop().run_in_executor(None, serve, 2)
            pool = Pool()
            answer = await pool.post(url, (), b"{}", 5.0)
            assert await answer.read(LIMIT) == b"{}"
            # The loop does not turn until the end has come: it cannot have been told.
            connection = pool._resting[next(iter(pool._resting))][0]
            for _ in range(1000):
                if connection.has_gone(look=True):
                    break
                time.sleep(0.001)  # it is the loop's not turning that is wanted
            assert connection.has_gone(look=True)
            assert not connection.has_gone(look=False)
            again = await pool.post(url, (), b"{}", 5.0)
            assert await again.read(LIMIT) == b"{}"
            await serving

    on_a_loop(scene)


def test_connections_that_nobody_needs_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.1)

    async def scene() -> None:
        async with raw(saying(OK)) as server:
            pool = Pool()
            await call(pool, server)
            await gone(server)
            await asyncio.sleep(0.15)
            assert not pool._resting
            assert pool._sweeping is None
            assert await call(pool, server) == b"{}"

    on_a_loop(scene)


def test_who_leaves_before_the_answer_ends_the_call() -> None:
    async def scene() -> None:
        async with raw(nothing) as server:
            waiting = asyncio.ensure_future(call(Pool(), server))
            while not server.heads:
                await asyncio.sleep(0.01)
            waiting.cancel()
            await gone(server)

    on_a_loop(scene)


def test_who_leaves_amid_the_answer_ends_the_call() -> None:
    async def scene() -> None:
        async with raw(saying(STREAM, b"5\r\nhello\r\n")) as server:
            answer = await Pool().post(server.url, (), b"{}", 5.0)
            assert await anext(answer.chunks()) == b"hello"
            assert server.ended.empty()
            answer.drop()
            await gone(server)

    on_a_loop(scene)


def test_a_server_that_breaks_off_is_said_to_have() -> None:
    async def scene() -> None:
        for said in (saying(ends=True), saying(OK[:-1], ends=True), saying(STREAM, b"5\r\nhello\r\n", ends=True)):
            async with raw(said) as server:
                with pytest.raises(Broken):
                    await call(Pool(), server)

    on_a_loop(scene)


def test_a_server_that_speaks_first_or_hangs_up_at_once_is_no_model_server() -> None:
    async def scene() -> None:
        for greeting in (b"", b"220 mail ready\r\n"):

            async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = greeting) -> None:
                writer.write(said)
                writer.close()

            server = await asyncio.start_server(greet, "127.0.0.1", 0)
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            for _ in range(50):
                with pytest.raises(Broken):
                    await asyncio.wait_for(Pool().post(url, (), b"{}", 5.0), 2)
            server.close()

    on_a_loop(scene)


class Source:
    """A body that is there piece by piece; says how much was asked for, and whether it was closed."""

    def __init__(self, *pieces: bytes, fails: bool = False, then_waits: bool = False) -> None:
        self.given = 0
        self.closed = False
        self._pieces, self._fails, self._waits = pieces, fails, then_waits

    async def __call__(self) -> AsyncIterator[bytes]:
        try:
            for piece in self._pieces:
                self.given += len(piece)
                yield piece
            if self._fails:
                raise ValueError
            if self._waits:
                await asyncio.Event().wait()
        finally:
            self.closed = True


def test_a_body_goes_up_piece_by_piece() -> None:
    async def scene() -> None:
        async with raw(saying(OK)) as server:
            pool = Pool()
            for pieces in ((b"hello", b"", b" ", b"world"), (), (b"x" * 300_000, b"y" * 300_000)):
                source = Source(*pieces)
                assert await call(pool, server, source()) == b"{}"
                assert server.bodies[-1] == b"".join(pieces)
                assert source.closed
            assert server.connections == 1

    on_a_loop(scene)


def test_a_body_waits_for_a_server_that_does_not_read() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            source = Source(*[b"x" * 65536] * 1000)
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            waiting = asyncio.ensure_future(Pool().post(url, (), source(), 5.0))
            await asyncio.sleep(0.5)
            assert source.given < 16 << 20
            waiting.cancel()
            await asyncio.sleep(0.1)
            assert source.closed

    on_a_loop(scene)


def test_a_body_whose_source_fails_ends_the_call() -> None:
    async def scene() -> None:
        async with raw(saying(OK)) as server:
            source = Source(b"hello", fails=True)
            with pytest.raises(Broken) as broken:
                await call(Pool(), server, source())
            assert isinstance(broken.value.__cause__, ValueError)
            assert source.closed
            await gone(server)

    on_a_loop(scene)


def test_an_answer_before_the_body_is_up_ends_it() -> None:
    async def scene() -> None:
        async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\n{}")
            await reader.read()
            writer.close()
            ended.set()

        ended = asyncio.Event()
        server = await asyncio.start_server(hasty, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        source = Source(b"hello", then_waits=True)
        pool = Pool()
        answer = await pool.post(url, (), source(), 5.0)
        assert (answer.status, await answer.read(LIMIT)) == (413, b"{}")
        await asyncio.wait_for(ended.wait(), 1.0)
        assert source.closed
        assert not pool._resting
        server.close()

    on_a_loop(scene)


def test_a_name_is_called_at_whichever_of_its_addresses_answers() -> None:
    async def scene() -> None:
        async with raw(saying(OK)) as server:
            answer = await Pool().post(f"http://localhost:{server.port}/", (), b"{}", 5.0)
            assert await answer.read(LIMIT) == b"{}"

    on_a_loop(scene)


def test_nobody_there_is_no_way_there() -> None:
    async def scene() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            for url in (f"http://127.0.0.1:{unused.getsockname()[1]}/", "http://nowhere.invalid/", "http://a..b/"):
                with pytest.raises(CannotConnect):
                    await Pool().post(url, (), b"{}", 5.0)

    on_a_loop(scene)


def test_connecting_takes_no_longer_than_it_may() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, says nothing of TLS
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(CannotConnect):
                await Pool().post(f"https://127.0.0.1:{silent.getsockname()[1]}/", (), b"{}", 0.2)
            assert 0.15 <= loop.time() - began < 2.0

    on_a_loop(scene)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, and of nobody else; key and certificate."""
    pair, crt = tmp_path / "pair.pem", tmp_path / "believed.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", "/CN=gpu", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", pair, "-out", crt),
        ],
        check=True,
        capture_output=True,
    )
    pair.write_bytes(pair.read_bytes() + crt.read_bytes())
    return pair


def secured(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def test_a_server_over_tls_is_called_where_its_authority_is_believed(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("believed.crt")))

    async def scene() -> None:
        async with raw(saying(STREAM, b"5\r\nhello\r\n", b"0\r\n\r\n"), secured(certificate)) as server:
            pool, url = Pool(), server.url.replace("http:", "https:")
            for _ in range(3):
                answer = await pool.post(url, (), b"x" * 200_000, 5.0)
                assert await answer.read(LIMIT) == b"hello"
            assert server.connections == 1
            assert server.bodies == [b"x" * 200_000] * 3
            # Believed, but not by this name.
            with pytest.raises(CannotConnect):
                await pool.post(url.replace("127.0.0.1", "localhost"), (), b"{}", 5.0)
            # Nobody in clear is asked over TLS, and the other way round.
            with pytest.raises(Broken):
                await pool.post(server.url, (), b"{}", 5.0)

    on_a_loop(scene)


def test_a_server_that_is_not_believed_is_told_nothing(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")

    async def scene() -> None:
        async with raw(saying(OK), secured(certificate)) as server:
            with pytest.raises(CannotConnect):
                await Pool().post(server.url.replace("http:", "https:"), (), b"{}", 5.0)
            assert server.heads == []

    on_a_loop(scene)
