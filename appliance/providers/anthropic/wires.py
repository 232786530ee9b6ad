"""Anthropic's Messages API: chat translated, its own two endpoints as they are (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from appliance.config.model import Deployment
from appliance.providers.anthropic.answer import stream, whole
from appliance.providers.anthropic.request import messages_body
from appliance.providers.authorise import key_headers
from appliance.providers.call import Call, UpstreamRequest, Wire
from appliance.providers.chat_request import read_chat

VERSION = ("anthropic-version", "2023-06-01")

_encoder = msgspec.json.Encoder()


def chat(call: Call, deployment: Deployment, api_key: str | None) -> UpstreamRequest:
    """A chat call as a message. Raises CannotTranslate."""
    body = messages_body(
        read_chat(call), deployment.model, stream=call.stream, max_tokens=int(deployment.parameter("max_tokens"))
    )
    return _request(deployment, "messages", "", _encoder.encode(body), api_key)


def passed_on(call: Call, deployment: Deployment, api_key: str | None) -> UpstreamRequest:
    """A call in Anthropic's own words, of which the model alone changes."""
    members = {**call.members, "model": msgspec.Raw(_encoder.encode(deployment.model))}
    return _request(deployment, call.endpoint, call.query, _encoder.encode(members), api_key)


def _request(deployment: Deployment, path: str, query: str, body: bytes, api_key: str | None) -> UpstreamRequest:
    url = f"{deployment.api_base}/{path}{'?' + query if query else ''}"
    return UpstreamRequest(url, (*key_headers(deployment.auth, api_key), VERSION), body)


WIRES: Mapping[str, Wire] = MappingProxyType(
    {
        "chat/completions": Wire(chat, whole, stream),
        "messages": Wire(passed_on),
        "messages/count_tokens": Wire(passed_on),
    }
)
"""Anthropic's own error body has its message and type where OpenAI's has them."""
