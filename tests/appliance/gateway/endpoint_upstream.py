"""A provider's server with every endpoint, answering in recorded shapes; its address says how it behaves.

`/full/v1` has all of them, `/chat/v1` chat only, `/native/v1` Anthropic's messages; `/dying/v1` breaks its streams off.
Each request is kept with its body as it came, also where that is chunked.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.appliance.gateway.dialects.calls import USAGE as CHAT_END
from tests.appliance.gateway.dialects.calls import delta, tool
from tests.appliance.gateway.test_event_stream import event, messages, responses
from tests.appliance.gateway.upstreams import WHOLE, answer_body

TOOL_INPUT = '{"city": "Köln"}'
SOUND = b"RIFF" + bytes(range(256)) * 64
USAGE = {"input_tokens": 17, "input_tokens_details": {"cached_tokens": 7}, "output_tokens": 5, "total_tokens": 22}
CHAT_USAGE = {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25}

JSON: dict[str, Any] = {
    "chat/completions": answer_body(),
    "completions": {"object": "text_completion", "choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]}
    | {"usage": CHAT_USAGE},
    "embeddings": {"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 3}},
    "responses": {"id": "resp_1", "object": "response", "status": "completed", "output": [], "usage": USAGE},
    "messages": {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn"}
    | {"usage": {"input_tokens": 10, "cache_read_input_tokens": 7, "output_tokens": 5}},
    "messages/count_tokens": {"input_tokens": 42},
    "rerank": {"results": [{"index": 0, "relevance_score": 0.9}], "usage": {"total_tokens": 11}},
    "moderations": {"id": "modr-1", "results": [{"flagged": False}]},
    "images/generations": {"created": 1, "data": [{"b64_json": "aGk="}], "usage": USAGE},
    "images/edits": {"created": 1, "data": [{"b64_json": "aGk="}], "usage": USAGE},
    "audio/transcriptions": {"text": "hello", "usage": {"type": "duration", "seconds": 3}},
    "audio/translations": {"text": "hello"},
}
STREAMS: dict[str, bytes] = {
    "chat/completions": WHOLE,
    "completions": WHOLE,
    "responses": b"".join(responses()),
    "messages": b"".join(messages()),
    "audio/transcriptions": event("transcript.text.delta", delta="he")
    + event("transcript.text.done", text="hello", usage=USAGE),
    "images/generations": event("image_generation.partial_image", b64_json="a")
    + event("image_generation.completed", b64_json="b", usage=USAGE),
}
HAS = {
    "full": frozenset(JSON) - {"messages", "messages/count_tokens"} | {"audio/speech"},
    "chat": frozenset({"chat/completions"}),
    "native": frozenset({"messages", "messages/count_tokens"}),
}


@dataclass
class Asked:
    """One request as it came."""

    endpoint: str
    headers: dict[str, str]
    body: bytes
    pieces: int = 1

    @property
    def members(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class EndpointUpstream:
    """The server, for as long as the `with` lasts."""

    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> EndpointUpstream:
        kept = self.asked

        class Handler(_Handler):
            asked = kept

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def base(self, kind: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{kind}/v1"

    def last(self, endpoint: str) -> Asked:
        return next(each for each in reversed(self.asked) if each.endpoint == endpoint)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list[Asked]

    def log_message(self, *_: object) -> None:
        return

    def do_POST(self) -> None:
        kind, _, endpoint = self.path.partition("?")[0].lstrip("/").partition("/v1/")
        body, pieces = self._body()
        self.asked.append(Asked(endpoint, {name.lower(): value for name, value in self.headers.items()}, body, pieces))
        if kind != "dying" and endpoint not in HAS[kind]:
            self._answer(404, "application/json", b'{"detail":"Not Found"}')
        elif endpoint == "audio/speech":
            self._stream("audio/mpeg", SOUND, whole=kind != "dying")
        elif b"response_format" in body and b"\r\n\r\nsrt\r\n" in body:
            self._answer(200, "text/plain; charset=utf-8", b"1\n00:00 --> 00:01\nhello\n")
        elif endpoint == "chat/completions" and b'"tools"' in body:
            name = json.loads(body)["tools"][0]["function"]["name"]
            self._use_tool(name, stream=self._streams(endpoint, body))
        elif self._streams(endpoint, body):
            self._stream("text/event-stream", STREAMS[endpoint], whole=kind != "dying")
        else:
            self._answer(200, "application/json", json.dumps(JSON[endpoint]).encode())

    def _use_tool(self, name: str, *, stream: bool) -> None:
        function = {"name": name, "arguments": TOOL_INPUT}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        if stream:
            pieces = [tool(0, "", name, "call_1"), *(tool(0, letter) for letter in TOOL_INPUT)]
            told = b"".join(pieces) + delta("tool_calls") + CHAT_END + b"data: [DONE]\n\n"
            self._stream("text/event-stream", told, whole=True)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
        body = {**JSON["chat/completions"], "choices": [{**choice, "finish_reason": "tool_calls"}]}
        self._answer(200, "application/json", json.dumps(body).encode())

    @staticmethod
    def _streams(endpoint: str, body: bytes) -> bool:
        if body.startswith(b"{"):
            return bool(json.loads(body).get("stream"))
        return b'name="stream"\r\n\r\ntrue' in body

    def _body(self) -> tuple[bytes, int]:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers["content-length"])), 1
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts), len(parts)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, kind: str, body: bytes, *, whole: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        body = body if whole else body[: len(body) // 2]
        for start in range(0, len(body), 500):
            piece = body[start : start + 500]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True
