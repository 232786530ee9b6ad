"""The Vercel AI SDK on node, LangChain and instructor, each in an environment of its own: `make clients`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.gateway.endpoint_upstream import EndpointUpstream
from tests.appliance.gateways import Gateway, models_text
from tests.real.model_server import ModelServer
from tests.real.processes import ROOT

pytestmark = pytest.mark.real

NODE = Path(__file__).with_name("node")
PYTHON = ROOT / ".venv" / "clients" / "bin" / "python"


@pytest.fixture(scope="module")
def site(llama: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with EndpointUpstream() as recorded:
        routes = {"llama": [llama.base_url], "recorded": [recorded.base("chat")]}
        made = Gateway(tmp_path_factory.mktemp("frameworks"), models_text(routes))
        made.start()
        yield made
        made.stop()


def seen_by(*command: str | Path) -> dict[str, Any]:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules").is_dir(), reason="needs node, and `make clients` once"
)
def test_the_vercel_ai_sdk(site: Gateway) -> None:
    seen = seen_by("node", NODE / "clients.mjs", site.url, site.key)
    for each in ("chat", "responses", "messages"):
        told = seen[each]
        assert told["streamed"]["finish"] == told["whole"]["finish"]
        assert told["streamed"]["usage"]["outputTokens"] == told["whole"]["usage"]["outputTokens"] > 0
        assert seen[f"{each} tools"] == [{"toolName": "weather", "input": {"city": "Köln"}}]
    assert seen["responses"]["streamed"]["text"]
    assert seen["embedding"] == 64
    assert seen["refused"]["status"] == 404
    assert "no model 'none'" in seen["refused"]["message"]


@pytest.mark.skipif(not PYTHON.exists(), reason="needs `make clients` once")
def test_langchain_and_instructor(site: Gateway) -> None:
    seen = seen_by(PYTHON, Path(__file__).with_name("framework_clients.py"), site.url, site.key)
    assert seen["langchain chat"]["output_tokens"] > 0
    assert seen["langchain stream"] == seen["langchain chat"]["text"] != ""
    assert seen["langchain tools"] == seen["instructor"] == {"city": "Köln"}
    assert seen["langchain embedding"] == 64
    assert seen["langchain anthropic"]["output_tokens"] > 0
