"""The field's gateways, installed beside the benchmark and measured in the same run at the same work.

`python -m tests.bench.peers` installs both into .bench/peers; where one is not there, the report says so. Neither is
given a database, a cache or a log: this is the least that each of them does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .subjects import Gateway
from .tools import OUTPUT, Endpoint

PEERS = OUTPUT / "peers"
LITELLM = "litellm[proxy]==1.106.2"
PORTKEY = "@portkey-ai/gateway@1.15.2"


class LiteLLM(Gateway):
    """LiteLLM's proxy with one worker and a static list of models."""

    name = "litellm"
    ready_path = "/health/liveliness"
    environment: Mapping[str, str] = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
        "NO_DOCS": "True",
    }
    program = PEERS / "litellm" / "bin" / "litellm"

    def missing(self) -> str | None:
        return None if self.program.exists() else "not installed: python -m tests.bench.peers"

    def command(self, port: int, upstream: Endpoint, folder: Path) -> list[str]:
        base = f"http://127.0.0.1:{upstream.port}/v1"
        parameters = {"model": f"openai/{upstream.model}", "api_base": base, "api_key": "none"}
        config = {
            "model_list": [{"model_name": upstream.model, "litellm_params": parameters}],
            "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
        }
        (folder / "litellm.yaml").write_text(json.dumps(config))  # JSON is YAML
        options = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        return [str(self.program), "--config", str(folder / "litellm.yaml"), *options]


class Portkey(Gateway):
    """Portkey's gateway, told by headers where to go."""

    name = "portkey"
    ready_path = "/"
    environment: Mapping[str, str] = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    program = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"

    def missing(self) -> str | None:
        return None if self.program.exists() else "not installed: python -m tests.bench.peers"

    def command(self, port: int, upstream: Endpoint, folder: Path) -> list[str]:
        self._base = f"http://127.0.0.1:{upstream.port}/v1"
        self._model = upstream.model
        return ["node", str(self.program), f"--port={port}", "--headless"]

    def endpoint(self, child: object, port: int, upstream: Endpoint) -> Endpoint:
        headers = f"x-portkey-provider: openai\r\nx-portkey-custom-host: {self._base}\r\n"
        return Endpoint(port=port, key="none", model=self._model, headers=headers)


def install() -> None:
    """Needs the package indexes, and node for Portkey. What is there already is left as it is."""
    PEERS.mkdir(parents=True, exist_ok=True)
    if not LiteLLM.program.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS / "litellm"], check=True)
        pip = PEERS / "litellm" / "bin" / "pip"
        subprocess.run([pip, "--disable-pip-version-check", "-q", "install", LITELLM], check=True)
    if not Portkey.program.exists() and shutil.which("npm"):
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(PEERS / "portkey"), PORTKEY]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    install()
