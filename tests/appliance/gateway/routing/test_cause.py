"""Why a deployment gave no answer: told apart by the gateway's refusals and by what model servers really say."""

from __future__ import annotations

import pytest

from appliance.config.policy import Cause
from appliance.gateway import errors
from appliance.gateway.routing.cause import cause_of, retry_after_of


def refused(message: str, *, code: str | None = None, kind: str | None = None) -> errors.UpstreamRefusedRequest:
    return errors.UpstreamRefusedRequest(message, status=400, kind=kind, param=None, code=code)


@pytest.mark.parametrize(
    ("refusal", "cause"),
    [
        (errors.UpstreamUnreachable("x"), "unreachable"),
        (errors.UpstreamMisconfigured("x"), "misconfigured"),
        (errors.UpstreamDown("x"), "server_error"),
        (errors.UpstreamBusy("x"), "busy"),
        (errors.UpstreamOverloaded("x"), "busy"),
        (errors.UpstreamTimeout("x"), "timeout"),
        (errors.DeploymentFull("x"), "full"),
        (errors.InvalidRequest("x"), None),
        (errors.Fault("x"), None),
        (refused("temperature must be at most 2"), None),
    ],
)
def test_each_refusal_has_its_cause(refusal: errors.GatewayRefusal, cause: Cause | None) -> None:
    assert cause_of(refusal) == cause


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.", None),
        ("Please shorten it.", "context_length_exceeded"),
        ("the request exceeds the available context size. try increasing the context size", None),
        ("prompt is too long: 210000 tokens > 200000 maximum", None),
        ("Input is too long for requested model.", None),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", None),
        ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000", None),
        ("The input (5000 tokens) is longer than the model's context length (4096 tokens).", None),
    ],
)
def test_a_request_that_is_too_long_is_known_by_what_servers_say(message: str, code: str | None) -> None:
    assert cause_of(refused(message, code=code)) == "context_too_long"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The response was filtered due to the prompt triggering Azure's content management policy.", "content_filter"),
        ("Your request was rejected as a result of our safety system.", None),
        ("no", "content_policy_violation"),
    ],
)
def test_a_request_refused_for_its_content_is_told_apart(message: str, code: str | None) -> None:
    assert cause_of(refused(message, code=code)) == "content_refused"


def test_retry_after_is_read_where_it_is_a_number_of_seconds() -> None:
    def busy(value: bytes) -> float | None:
        return retry_after_of(errors.UpstreamBusy("x", headers=((b"retry-after", value),)))

    assert (busy(b"7"), busy(b"soon"), busy(b"-1"), busy(b"9" * 5000)) == (7.0, None, None, 999999999.0)
    assert retry_after_of(errors.UpstreamBusy("x")) is None
