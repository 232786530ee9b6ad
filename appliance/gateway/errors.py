"""What an app is told when its call cannot be answered: one table of codes, in OpenAI's error envelope, or in
Anthropic's where the app speaks to that API.

`GatewayRefusal` belongs to the product's tree (licensing/errors.py), so logs and commands render it like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from appliance.errors import ApplianceError
from licensing.errors import Refusal


class GatewayRefusal(ApplianceError):
    """An answer that is not the model's. `headers` go out with it; `param` names the member at fault."""

    code = "gateway_refused"
    http_status = 500
    kind = "api_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.param = param
        self.headers = headers


class InvalidRequest(GatewayRefusal):
    code = "invalid_request"
    http_status = 400
    kind = "invalid_request_error"


class InvalidKey(GatewayRefusal):
    code = "invalid_api_key"
    http_status = 401
    kind = "invalid_request_error"
    default_remedy = "Send a key that this gateway issued, as 'Authorization: Bearer ao-…'."


class KeyPaused(GatewayRefusal):
    code = "key_paused"
    http_status = 403
    kind = "permission_error"
    default_remedy = "Ask whoever administers this gateway; they resume it with: ao keys resume."


class SourceNotAllowed(GatewayRefusal):
    code = "source_not_allowed"
    http_status = 403
    kind = "permission_error"


class ChannelNotAllowed(GatewayRefusal):
    """A tier above the key has no keys of the key's channel."""

    code = "channel_not_allowed"
    http_status = 403
    kind = "permission_error"


class ModelNotAllowed(GatewayRefusal):
    """The site has the model, and this key may not use it."""

    code = "model_not_allowed"
    http_status = 403
    kind = "permission_error"


class ModelNotLicensed(GatewayRefusal):
    code = "model_not_licensed"
    http_status = 403
    kind = "permission_error"


class FeatureNotLicensed(GatewayRefusal):
    code = "feature_not_licensed"
    http_status = 403
    kind = "permission_error"


class PathNotFound(GatewayRefusal):
    code = "not_found"
    http_status = 404
    kind = "invalid_request_error"


class ModelNotFound(GatewayRefusal):
    code = "model_not_found"
    http_status = 404
    kind = "invalid_request_error"


class MethodNotAllowed(GatewayRefusal):
    code = "method_not_allowed"
    http_status = 405
    kind = "invalid_request_error"


class BodyTooLarge(GatewayRefusal):
    code = "request_too_large"
    http_status = 413
    kind = "invalid_request_error"


class RequestTimeout(GatewayRefusal):
    code = "request_timeout"
    http_status = 408
    kind = "invalid_request_error"


class EncodingNotTaken(GatewayRefusal):
    """A compressed body: how large it is would be known too late."""

    code = "content_encoding_not_taken"
    http_status = 415
    kind = "invalid_request_error"
    default_remedy = "Send the body as it is, without a content-encoding."


class TooManyStreams(GatewayRefusal):
    code = "too_many_streams"
    http_status = 503


class BodiesTakeAllMemory(GatewayRefusal):
    """The large bodies of calls under way take all the memory that a worker gives them."""

    code = "too_many_large_requests"
    http_status = 503
    default_remedy = "Send it again in a moment; the operator can raise body_memory_mib in the settings."


class RateLimited(GatewayRefusal):
    """A cap is in the way. `cap` is whose (licence, org, team, key) and which one, for the metrics."""

    code = "rate_limit_exceeded"
    http_status = 429
    kind = "rate_limit_error"
    cap: tuple[str, str] | None = None


class TooManyAtOnce(RateLimited):
    """As many calls of an org, a team or a key are under way as it is allowed."""

    code = "too_many_at_once"


class QuotaExhausted(RateLimited):
    """A day's or a month's budget is used up."""

    code = "quota_exhausted"
    kind = "insufficient_quota"


class BudgetTooSmall(RateLimited):
    """A call that asks for more than a whole budget will never fit it."""

    code = "larger_than_budget"
    http_status = 400
    kind = "invalid_request_error"
    default_remedy = "Ask for fewer tokens: lower max_tokens."


class UpstreamBusy(GatewayRefusal):
    code = "upstream_rate_limited"
    http_status = 429
    kind = "rate_limit_error"


class UpstreamOverloaded(UpstreamBusy):
    """It cannot take the request on now, and says when to come back."""

    code = "upstream_overloaded"
    http_status = 503


class DeploymentFull(UpstreamBusy):
    """As many calls as the config allows are under way, and no place came free in time."""

    code = "deployment_full"


class NoRoute(GatewayRefusal):
    """No deployment of the model is one that the policy lets answer this call."""

    code = "no_route"
    http_status = 400
    kind = "invalid_request_error"


class UpstreamRefusedRequest(GatewayRefusal):
    """The upstream's own 4xx, passed on with its status and, where that is safe, its words."""

    code = "upstream_refused"
    http_status = 400
    kind = "invalid_request_error"

    def __init__(self, message: str, *, status: int, kind: str | None, param: str | None, code: str | None) -> None:
        super().__init__(message, param=param)
        self.http_status = status  # type: ignore[misc]  # the upstream's, not this class's
        self.kind = kind or self.kind
        self.upstream_code = code


class UpstreamDown(GatewayRefusal):
    code = "upstream_unavailable"
    http_status = 502


class BodySpent(GatewayRefusal):
    """An upload has gone to a deployment that failed on it; it was never held, so no other can be given it."""

    code = "upload_not_repeated"
    http_status = 502


class UpstreamUnreachable(UpstreamDown):
    """There was no connection: nothing of the request was sent."""


class UpstreamMisconfigured(UpstreamDown):
    """It refuses this gateway's credentials, or does not know the model that the config names."""


class DeploymentsResting(UpstreamDown):
    """Every deployment has failed lately, and the policy lets them rest."""

    code = "deployments_resting"
    http_status = 503


class UpstreamTimeout(GatewayRefusal):
    code = "upstream_timeout"
    http_status = 504


class Unavailable(GatewayRefusal):
    """The gateway itself is not in a state to serve: no config, or state that cannot be read."""

    code = "unavailable"
    http_status = 503


class Fault(GatewayRefusal):
    code = "internal_error"
    default_remedy = "Report the x-request-id to the operator."


def error_body(refusal: Refusal) -> bytes:
    """The refusal in OpenAI's envelope: `{"error": {"message", "type", "param", "code"}}`."""
    code = getattr(refusal, "upstream_code", None) or refusal.code
    error: Mapping[str, Any] = {
        "message": refusal.message if isinstance(refusal, UpstreamRefusedRequest) else _sentence(refusal),
        "type": getattr(refusal, "kind", "permission_error" if refusal.http_status == 403 else "api_error"),
        "param": getattr(refusal, "param", None),
        "code": code,
    }
    return msgspec.json.encode({"error": error})


_ANTHROPIC_KINDS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def speaks_anthropic(endpoint: str) -> bool:
    return endpoint == "messages" or endpoint.startswith("messages/")


def body_for(endpoint: str, refusal: Refusal, request_id: str) -> bytes:
    """The refusal in the envelope that clients of this endpoint read. Anthropic's has no place for a code and a
    parameter; they stand beside its members."""
    if not speaks_anthropic(endpoint):
        return error_body(refusal)
    told = msgspec.json.decode(error_body(refusal))["error"]
    status = refusal.http_status
    kind = _ANTHROPIC_KINDS.get(status, "invalid_request_error" if status < 500 else "api_error")
    error = {"type": kind, "message": told["message"], "code": told["code"], "param": told["param"]}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def error_event(endpoint: str, refusal: Refusal, request_id: str, number: int) -> bytes:
    """The refusal as the last event of a stream that has begun; `number` is what a response's events are counted by."""
    body = body_for(endpoint, refusal, request_id)
    if endpoint == "responses":
        told = msgspec.json.decode(body)["error"]
        event = {name: told[name] for name in ("code", "message", "param")}
        body = msgspec.json.encode({"type": "error", "sequence_number": number, **event})
    return b"event: error\ndata: " + body + b"\n\n"


def _sentence(refusal: Refusal) -> str:
    if refusal.remedy == Refusal.default_remedy:
        return refusal.message
    return f"{refusal.message} {refusal.remedy}"
