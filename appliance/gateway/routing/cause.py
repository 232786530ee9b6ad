"""Why a deployment gave no answer, read from the gateway's refusals and, where those repeat it, the upstream's words.

Model servers tell a request that is too long in a dozen ways; these are those of OpenAI, Azure, Anthropic, Bedrock,
Gemini, vLLM, SGLang, TGI and llama.cpp. What is not recognised is the app's own mistake, and final.
"""

from __future__ import annotations

import re

from appliance.config.policy import Cause
from appliance.gateway.errors import (
    DeploymentFull,
    GatewayRefusal,
    UpstreamBusy,
    UpstreamDown,
    UpstreamMisconfigured,
    UpstreamRefusedRequest,
    UpstreamTimeout,
    UpstreamUnreachable,
)

_LOOKED_AT = 2000
_TOO_LONG_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_TOO_LONG = re.compile(
    r"context (length|window|size)|prompt is too long|input is too long|too many (input )?tokens|"
    r"input token count .{0,40}exceeds|longer than the model's context|`inputs` tokens \+ `max_new_tokens` must be",
    re.IGNORECASE,
)
_REFUSED_CODES = frozenset(
    {"content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation_blocked", "safety"}
)
_REFUSED = re.compile(r"content management policy|content[ _-]policy|content[ _-]filter|safety system", re.IGNORECASE)


def cause_of(refusal: GatewayRefusal) -> Cause | None:
    """None: the request itself was refused, and nobody else is asked."""
    if isinstance(refusal, DeploymentFull):
        return "full"
    if isinstance(refusal, UpstreamBusy):
        return "busy"
    if isinstance(refusal, UpstreamTimeout):
        return "timeout"
    if isinstance(refusal, UpstreamUnreachable):
        return "unreachable"
    if isinstance(refusal, UpstreamMisconfigured):
        return "misconfigured"
    if isinstance(refusal, UpstreamDown):
        return "server_error"
    return _callers(refusal) if isinstance(refusal, UpstreamRefusedRequest) else None


def _callers(refusal: UpstreamRefusedRequest) -> Cause | None:
    told = {(refusal.upstream_code or "").lower(), refusal.kind.lower()}
    text = refusal.message[:_LOOKED_AT]
    if told & _REFUSED_CODES or _REFUSED.search(text):
        return "content_refused"
    if told & _TOO_LONG_CODES or _TOO_LONG.search(text):
        return "context_too_long"
    return None


def retry_after_of(refusal: GatewayRefusal) -> float | None:
    """The seconds that the upstream asked to be left alone for, where it said so in seconds."""
    for name, value in refusal.headers:
        if name == b"retry-after" and value.isdigit():
            return float(value[:9])
    return None
