"""One gateway and one model server for all tests of the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.appliance.gateway.upstreams import SCRIPTS, Upstream
from tests.appliance.gateways import Gateway, free_port, models_text

FALLBACKS = {
    "after-refused": ["-", "good"],
    "after-500": ["500", "good"],
    "after-429": ["busy", "good"],
    "after-401": ["401", "good"],
    "after-404": ["404", "good"],
    "after-html": ["html", "good"],
    "after-no-head": ["dies-before-head", "good"],
    "after-half-a-head": ["dies-in-head", "good"],
    "after-no-chunk": ["dies-after-head", "good"],
    "after-empty-stream": ["ends-after-head", "good"],
    "not-after-400": ["refuses-422", "good"],
    "not-after-frame": ["dies-after-frame", "good"],
    "all-down": ["500", "-"],
    "all-busy": ["500", "busy-7"],
}


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="session")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Each script of the model server is an alias of its own; the fallbacks have several deployments."""
    closed = free_port()

    def base(script: str) -> str:
        return f"http://127.0.0.1:{closed}/v1" if script == "-" else f"http://127.0.0.1:{upstream.port}/{script}/v1"

    routes = {script: [base(script)] for script in SCRIPTS} | {
        alias: [base(script) for script in scripts] for alias, scripts in FALLBACKS.items()
    }
    text = models_text(routes | {"forbidden": [base("good")]})
    made = Gateway(tmp_path_factory.mktemp("gateway"), text, models=list(routes))
    made.start()
    yield made
    made.stop()
