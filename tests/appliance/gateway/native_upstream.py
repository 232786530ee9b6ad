"""The native providers as servers on a socket: each checks how it is authorised, and answers what was recorded.

The model's name says which recording: text, tools, error, key-error, broken, odd. A stream goes out in pieces of eleven
bytes.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from google.auth import jwt

from appliance.providers.bedrock.sign import AwsKey, signed
from appliance.providers.call import UpstreamRequest
from tests.appliance.gateway.upstreams import answer_body
from tests.appliance.providers.natives import AWS_KEY, BY_NAME, Native

PIECE = 11
KEYS = {"x-api-key": "sk-ant-1", "api-key": "azure-1", "x-goog-api-key": "AIza-1"}
TOKEN = "ya29.access-token"


@dataclass
class Seen:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class NativeServer:
    """Serves for as long as the `with` lasts; `public_key` is what a service account's assertion is checked with."""

    def __init__(self, public_key: bytes) -> None:
        self.seen: list[Seen] = []
        self.public_key = public_key
        self.grants = 0
        server = self

        class Handler(_Handler):
            house = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._http.server_address[1])

    def __enter__(self) -> NativeServer:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def token_uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    def of(self, path: str) -> list[Seen]:
        return [each for each in self.seen if each.path.startswith(path)]


class _Handler(BaseHTTPRequestHandler):
    house: NativeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        first = self.path.split("/")[1]
        if first == "token":
            self._grant(parse_qs(data.decode()))
            return
        body = json.loads(data)
        self.house.seen.append(Seen(self.path, headers, body))
        if not self._authorised(first, headers, data):
            self._json(401, {"error": {"message": "who are you?"}})
        elif first in ("azure", "own"):
            self._json(200, answer_body())
        else:
            self._native(BY_NAME["gemini" if first == "vertex" else first], body)

    def _grant(self, form: dict[str, list[str]]) -> None:
        decode: Any = jwt.decode  # google-auth has no types for it
        claims = decode(form["assertion"][0], certs=self.house.public_key, audience=self.house.token_uri)
        assert claims["scope"].endswith("/cloud-platform")
        self.house.grants += 1
        self._json(200, {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def _authorised(self, first: str, headers: dict[str, str], data: bytes) -> bool:
        match first:
            case "bedrock":
                return headers["authorization"] == self._signature(headers, data)
            case "vertex":
                return headers["authorization"] == f"Bearer {TOKEN}"
            case "own":
                return headers.get("x-api-key") == "own-1" and "authorization" not in headers
        name = {"anthropic": "x-api-key", "azure": "api-key", "gemini": "x-goog-api-key"}[first]
        return headers.get(name) == KEYS[name]

    def _signature(self, headers: dict[str, str], data: bytes) -> str:
        """What the signature must be for what came, at the time that it names: no later than a minute ago."""
        at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert abs((datetime.now(UTC) - at).total_seconds()) < 60
        id_, secret = AWS_KEY.split(":")
        kept = tuple((name, headers[name]) for name in ("content-type", "accept-encoding"))
        asked = UpstreamRequest(f"http://{headers['host']}{self.path}", kept, data)
        made = signed(asked, AwsKey(id_, secret), region="eu-central-1", service="bedrock", at=at.timestamp())
        return dict(made.headers)["authorization"]

    def _native(self, native: Native, body: dict[str, Any]) -> None:
        path = unquote(urlsplit(self.path).path)
        name = body.get("model") or path.rpartition("model")[2].split("/")[1].split(":")[0]
        stream = bool(body.get("stream")) or "tream" in path.rpartition("/")[2]
        match name:
            case "error":
                self._json(400, native.error)
            case "odd":
                self._json(200, {"not": "an answer"})
            case "broken":
                self._stream(native, native.broken_stream)
            case "cut":
                self._stream(native, native.text_stream[: len(native.text_stream) // 2])
            case _ if stream:
                self._stream(native, native.text_stream if name == "text" else native.tool_stream)
            case _:
                self._json(200, native.text if name == "text" else native.tools)

    def _json(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, native: Native, data: bytes) -> None:
        kind = "application/vnd.amazon.eventstream" if native.name == "bedrock" else "text/event-stream"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")
