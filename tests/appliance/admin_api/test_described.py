"""The served description held against the served API: whatever is asked, nothing is answered that it does not say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from appliance.admin_api.app import description
from appliance.admin_api.routes import PREFIX
from tests.appliance.admin_api.examples import ROUTES
from tests.appliance.admin_api.test_real import Admin
from tests.appliance.gateways import free_port

pytestmark = pytest.mark.real

EXAMPLES = 3
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
schema = schemathesis.openapi.from_dict(description())
schema.config.generation.update(modes=list(schemathesis.GenerationMode), with_security_parameters=False)


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    made = Admin(tmp_path_factory.mktemp("described"), f"127.0.0.1:{free_port()}")
    made.start()
    yield made
    made.gateway.stop()


def test_what_is_served_is_what_is_described(admin: Admin) -> None:
    served = admin("GET", "/openapi.json", admin.token).json()
    assert served == description()
    assert admin("GET", "/openapi.json").status_code == 401
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    plain = {(each.method, PREFIX + each.path.replace(":str}", "}").replace(":int}", "}")) for each in ROUTES}
    assert {(each.method.upper(), each.path) for each in found} == plain


def test_the_description_holds_no_secret_and_no_other_address() -> None:
    text = str(description())
    for marker in ("aos_", "aot_", "ao-6", "sk-"):
        assert marker not in text
    assert "http" not in text.replace("'bearer', 'type': 'http'", "").replace("'type': 'http'", "")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_outside_the_description(admin: Admin, case: schemathesis.Case[Any]) -> None:
    token = admin.session("signing-out" if case.path.endswith("/whoami/session") else "asking")
    headers = {"authorization": f"Bearer {token}"}
    answer = case.call(base_url=admin.url, headers=headers)
    case.validate_response(answer, checks=CHECKS, headers=headers)
