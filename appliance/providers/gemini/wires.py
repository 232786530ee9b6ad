"""Google's generateContent, at the Gemini API (a key) and at Vertex AI (a service account's access token) (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

import msgspec

from appliance.config.model import Deployment
from appliance.providers.authorise import key_headers
from appliance.providers.call import Call, UpstreamRequest, Wire
from appliance.providers.chat_request import read_chat
from appliance.providers.gemini.answer import refusal, stream, whole
from appliance.providers.gemini.request import generate_body

_encoder = msgspec.json.Encoder()


def chat(call: Call, deployment: Deployment, api_key: str | None) -> UpstreamRequest:
    """A chat call as generateContent. Raises CannotTranslate."""
    body = _encoder.encode(generate_body(read_chat(call)))
    verb = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
    url = f"{deployment.api_base}/models/{quote(deployment.model, safe='')}:{verb}"
    return UpstreamRequest(url, key_headers(deployment.auth, api_key), body)


WIRES: Mapping[str, Wire] = MappingProxyType({"chat/completions": Wire(chat, whole, stream, refusal)})
