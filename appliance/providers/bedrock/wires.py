"""Amazon Bedrock's Converse API: where a call goes, and by which of two credentials (pure).

Imported only where a config names it: botocore takes a fifth of a second to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

import msgspec

from appliance.config.model import Deployment
from appliance.providers.authorise import JSON_HEADERS, key_headers
from appliance.providers.bedrock.answer import refusal, stream, whole
from appliance.providers.bedrock.request import converse_body
from appliance.providers.bedrock.sign import aws_key, signed
from appliance.providers.call import Call, UpstreamRequest, Wire
from appliance.providers.chat_request import read_chat

_encoder = msgspec.json.Encoder()


def chat(call: Call, deployment: Deployment, api_key: str | None) -> UpstreamRequest:
    """A chat call as Converse. Raises CannotTranslate."""
    body = _encoder.encode(converse_body(read_chat(call)))
    verb = "converse-stream" if call.stream else "converse"
    url = f"{deployment.api_base}/model/{quote(deployment.model, safe='')}/{verb}"
    key = aws_key(api_key) if api_key else None
    if key is None:
        return UpstreamRequest(url, key_headers("bearer", api_key), body)
    bare = UpstreamRequest(url, JSON_HEADERS, body)
    return signed(bare, key, region=deployment.parameter("region"), service="bedrock", at=call.at)


WIRES: Mapping[str, Wire] = MappingProxyType({"chat/completions": Wire(chat, whole, stream, refusal)})
