"""What an app is told when its call cannot be answered: one table of codes, in OpenAI's error envelope.

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


class RateLimited(GatewayRefusal):
    code = "rate_limit_exceeded"
    http_status = 429
    kind = "rate_limit_error"


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


def _sentence(refusal: Refusal) -> str:
    if refusal.remedy == Refusal.default_remedy:
        return refusal.message
    return f"{refusal.message} {refusal.remedy}"
