"""A model server that waits to be told: it begins a stream, and goes on with it only when a file is there.

`python -m tests.real.hosts.held_upstream PORT FOLDER`: `FOLDER/authorizations` has a line with the Authorization header
of each call; a stream whose `user` is "held" waits after its first words until `FOLDER/go` exists.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WORDS = ("one ", "two ", "three ", "four")
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
LONGEST_SECONDS = 100


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        self._whole({})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with (self.folder / "authorizations").open("a") as noted:
            noted.write(f"{self.headers.get('authorization')}\n")
        if body.get("stream"):
            self._stream(held=body.get("user") == "held")
        else:
            message = {"role": "assistant", "content": "".join(WORDS)}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            self._whole({"object": "chat.completion", "choices": choices, "usage": USAGE})

    def _stream(self, *, held: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, word in enumerate(WORDS):
            self._event({"choices": [{"index": 0, "delta": {"content": word}}]})
            if held and number == 0:
                self._wait()
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event({"choices": [], "usage": USAGE})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _wait(self) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not (self.folder / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _event(self, chunk: dict[str, object]) -> None:
        self._chunk(b"data: " + json.dumps({"object": "chat.completion.chunk", **chunk}).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _whole(self, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Nobody reads it."""


if __name__ == "__main__":
    Answers.folder = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
