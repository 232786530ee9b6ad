"""A host without any authority's certificate: models in clear are reached, and nobody is believed over TLS."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ASKS = """
import asyncio, sys
from appliance.gateway.errors import UpstreamDown
from appliance.gateway.upstream import UpstreamClient, send
from appliance.providers.call import UpstreamRequest

async def main():
    try:
        reply = await send(UpstreamClient(), UpstreamRequest(sys.argv[1], (), b"{}"), 5.0)
        print(reply.status, (await reply.read()).decode())
    except UpstreamDown as refusal:
        print(refusal.code)

asyncio.run(main())
"""


class Model(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        return


def served(certificate: Path | None) -> HTTPServer:
    server = HTTPServer(("127.0.0.1", 0), Model)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def asked(url: str) -> tuple[str, str]:
    bare = {"PATH": "/usr/bin:/bin", "SSL_CERT_FILE": "/nowhere", "SSL_CERT_DIR": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", ASKS, url], env=bare, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


def test_a_model_in_clear_is_reached() -> None:
    server = served(None)
    said, _ = asked(f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()
    server.server_close()
    assert said == "200 {}"


def test_a_model_over_tls_is_believed_by_nobody_and_the_log_says_what_is_missing(tmp_path: Path) -> None:
    pair = tmp_path / "pair.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", pair, "-out", f"{pair}.crt"),
        ],
        check=True,
        capture_output=True,
    )
    pair.write_bytes(pair.read_bytes() + Path(f"{pair}.crt").read_bytes())
    server = served(pair)
    said, log = asked(f"https://127.0.0.1:{server.server_port}/")
    server.shutdown()
    server.server_close()
    assert said == "upstream_unavailable"
    assert "no certificates of authorities" in log
