"""OpenAI's own published description of its API, as far as it is served here, held against the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.appliance.gateways import Gateway

pytestmark = pytest.mark.real

SERVED = {
    ("POST", "/chat/completions"),
    ("POST", "/completions"),
    ("POST", "/embeddings"),
    ("POST", "/responses"),
    ("GET", "/models"),
    ("GET", "/models/{model}"),
}
DEMO = """models:
  - alias: demo
    provider:
      name: demo
"""
KNOWN_STATUSES = {200, 400, 401, 404, 405, 413, 415, 429}
EXAMPLES = 8


def description() -> dict[str, Any]:
    """The published text, as far as it is served."""
    file = Path(__file__).with_name("data") / "openai-openapi-subset.json"
    told: dict[str, Any] = json.loads(file.read_text())
    for path, operations in told["paths"].items():
        for method in list(operations):
            if (method.upper(), path) not in SERVED:
                del operations[method]
    return told


schema = schemathesis.openapi.from_dict(description())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("openapi"), DEMO)
    made.start()
    yield made
    made.stop()


def test_all_that_is_served_is_described() -> None:
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    assert {(each.method.upper(), each.path) for each in found} == SERVED


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_outside_the_description(demo: Gateway, case: schemathesis.Case[Any]) -> None:
    if isinstance(case.body, dict):
        case.body["model"] = "demo"
    if "model" in (case.path_parameters or {}):
        case.path_parameters["model"] = "demo"
    headers = {"authorization": f"Bearer {demo.key}"}
    answer = case.call(base_url=f"{demo.url}/v1", headers=headers)
    checks: list[Any] = [not_a_server_error]
    # The description knows vectors as lists only; in base64 they are asked for and given as a string.
    in_base64 = isinstance(case.body, dict) and case.body.get("encoding_format") == "base64"
    if answer.status_code == 200 and not in_base64:
        checks += [content_type_conformance, response_schema_conformance]
    case.validate_response(answer, checks=checks, headers=headers)
    assert answer.status_code in KNOWN_STATUSES
    assert "x-request-id" in answer.headers
    if answer.status_code != 200:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
