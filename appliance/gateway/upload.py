"""Multipart bodies on their way through: read part by part, never whole in memory, the part `model` replaced.

What goes up is written anew from the parts as they were read here, so that an upstream cannot see another model in it
than the one that was allowed. Parts that stand before `model` wait for it: the first MiB in memory, what is more in a
file without a name, under a key that only this process has.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from litestar.types import Receive
from litestar.types.asgi_types import HTTPReceiveMessage
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from appliance.gateway.errors import BodyTooLarge, GatewayRefusal, InvalidRequest, RequestTimeout
from appliance.gateway.request import BODY_SECONDS, ClientGone

UPLOAD_LIMIT_BYTES = 512 * 1024 * 1024
PARTS_LIMIT = 64
HELD_IN_MEMORY_BYTES = 1024 * 1024
_MODEL_LIMIT_BYTES = 256
_PIECE_BYTES = 64 * 1024
_PLAIN_HEADERS = frozenset({"content-disposition", "content-type", "content-length"})


def boundary_in(content_type: bytes) -> bytes:
    """Raises InvalidRequest where this is not multipart/form-data with a boundary."""
    kind, options = parse_options_header(content_type.decode("latin-1"))
    boundary: str = options.get("boundary", "")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise InvalidRequest("The request body must be multipart/form-data with a boundary.")
    return boundary.encode()


class Upload:
    """One body. `find_model` first, then once `with_model`; satisfies `providers.call.Form`.

    `spent`: it has gone, or begun to go, to an upstream. `fault` is what ended it before its end.
    """

    def __init__(self, receive: Receive, boundary: bytes, folder: Path, seconds: float = BODY_SECONDS) -> None:
        self.content_type = f"multipart/form-data; boundary={boundary.decode()}"
        self.spent = False
        self.fault: Exception | None = None
        self._receive = receive
        self._seconds = seconds
        self._parser = PushMultipartParser(boundary, max_segment_count=PARTS_LIMIT)
        self._boundary = boundary
        self._size = 0
        self._whole = False
        self._held = Spool(folder)
        self._model = bytearray()
        self._model_seen = False
        self._in_model = False
        self._over = asyncio.Event()
        self._closed = False
        self._waiting: asyncio.Future[Any] | None = None

    async def find_model(self) -> str:
        """Reads up to the part `model`. Raises InvalidRequest, BodyTooLarge, RequestTimeout, ClientGone."""
        while not self._model_seen or self._in_model:
            chunk = await self._next()
            if chunk is None:
                raise InvalidRequest("The request names no model.", param="model")
            self._held.add(self._retold(chunk))
        try:
            return self._model.decode()
        except UnicodeDecodeError as exc:
            raise InvalidRequest("The model must be a string of valid UTF-8.", param="model") from exc

    async def with_model(self, model: str) -> AsyncIterator[bytes]:
        self.spent = True
        try:
            yield self._opening('name="model"') + model.encode() + b"\r\n"
            for piece in self._held.pieces():
                yield piece
            while (chunk := await self._next()) is not None:
                if ready := self._retold(chunk):
                    yield ready
            yield b"--" + self._boundary + b"--\r\n"
        except (GatewayRefusal, ClientGone) as exc:
            self.fault = exc
            raise
        finally:
            self._over.set()
            self._held.close()

    async def after(self) -> HTTPReceiveMessage:
        """What the app does once its body is through: there is one reader of a connection at a time."""
        await self._over.wait()
        return await self._receive()  # type: ignore[return-value]  # an HTTP scope has no websocket's messages

    def close(self) -> None:
        """The call is over, however it ended: nobody waits for the rest of the body."""
        self._closed = True
        self._held.close()
        if self._waiting is not None:
            self._waiting.cancel()

    async def _next(self) -> bytes | None:
        if self._whole:
            return None
        if self._closed:
            raise ClientGone
        self._waiting = asyncio.ensure_future(self._receive())
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._waiting
        except TimeoutError as exc:
            raise RequestTimeout("The request body did not come in time.") from exc
        except asyncio.CancelledError:
            if not self._closed:
                raise
            raise ClientGone from None
        if message["type"] != "http.request":
            raise ClientGone
        self._whole = not message.get("more_body", False)
        body: bytes = message["body"]
        self._size += len(body)
        if self._size > UPLOAD_LIMIT_BYTES:
            raise BodyTooLarge(f"The request body is larger than {UPLOAD_LIMIT_BYTES // 2**20} MiB.")
        return body

    def _retold(self, chunk: bytes) -> bytes:
        """What this piece of the body is to the upstream."""
        out: list[bytes] = []
        try:
            if chunk:
                for event in self._parser.parse(chunk):
                    self._tell(event, out)
            if self._whole:
                self._parser.close()
        except MultipartError as exc:
            raise InvalidRequest("The request body is not well-formed multipart/form-data.") from exc
        return b"".join(out)

    def _tell(self, event: MultipartSegment | bytes | bytearray | None, out: list[bytes]) -> None:
        if isinstance(event, MultipartSegment):
            self._in_model = event.name == "model"
            if not self._in_model:
                out.append(self._opening(*_disposition(event)))
            elif self._model_seen:
                raise InvalidRequest("The form names a model twice.", param="model")
            self._model_seen = self._model_seen or self._in_model
        elif self._in_model:
            self._model += event or b""
            self._in_model = event is not None
            if len(self._model) > _MODEL_LIMIT_BYTES:
                raise InvalidRequest("The name of the model is too long.", param="model")
        else:
            out.append(b"\r\n" if event is None else bytes(event))

    def _opening(self, disposition: str, content_type: str | None = None) -> bytes:
        lines = f"Content-Disposition: form-data; {disposition}\r\n"
        if content_type:
            lines += f"Content-Type: {content_type}\r\n"
        return b"--" + self._boundary + b"\r\n" + lines.encode() + b"\r\n"


def _disposition(part: MultipartSegment) -> tuple[str, str | None]:
    for name, _ in part.headerlist:
        if name.lower() not in _PLAIN_HEADERS:
            raise InvalidRequest(f"A part of the form has a header that is not passed on: {name[:64]}.")
    told = f'name="{_quoted(part.name)}"'
    if part.filename is not None:
        told += f'; filename="{_quoted(part.filename)}"'
    return told, part.header("Content-Type")


def _quoted(text: str) -> str:
    """As browsers write it (WHATWG HTML, multipart/form-data)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


class Spool:
    """Bytes kept for a moment; on the disk as cipher text, under a key that goes with this object (AES-256-CTR)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[bytes] = []
        self._size = 0
        self._file: IO[bytes] | None = None
        self._cipher = Cipher(algorithms.AES(os.urandom(32)), modes.CTR(os.urandom(16)))
        self._encrypt = self._cipher.encryptor()

    def add(self, data: bytes) -> None:
        if self._file is None and self._size + len(data) <= HELD_IN_MEMORY_BYTES:
            self._parts.append(data)
            self._size += len(data)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by close()
        self._file.write(self._encrypt.update(data))

    def pieces(self) -> Iterator[bytes]:
        yield from self._parts
        if self._file is not None:
            decrypt = self._cipher.decryptor()
            self._file.seek(0)
            while piece := self._file.read(_PIECE_BYTES):
                yield decrypt.update(piece)

    def close(self) -> None:
        self._parts.clear()
        if self._file is not None:
            self._file.close()
