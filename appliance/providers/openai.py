"""The wire of OpenAI's API and of everything compatible with it: in and out are the same, so little is touched.

Only two members change on the way up: `model` becomes the deployment's own name for it, and a stream of chat or
completions is asked to end with its usage, whether or not the app asked for that. (Other streams always tell it.)
"""

from __future__ import annotations

import msgspec

from appliance.config.model import Deployment, ProviderNeeds
from appliance.providers.call import Call, Provider, UpstreamRequest, Wire

_encoder = msgspec.json.Encoder()
_STREAM_OPTIONS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRUE = msgspec.Raw(b"true")
_ASKED_FOR_USAGE = frozenset({"chat/completions", "completions"})

ENDPOINTS = (
    "chat/completions",
    "completions",
    "embeddings",
    "responses",
    "rerank",
    "moderations",
    "images/generations",
    "images/edits",
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
)
"""`rerank` is no endpoint of OpenAI's, but what compatible servers have beside those."""


def request(call: Call, deployment: Deployment, api_key: str | None) -> UpstreamRequest:
    """The request for one deployment. Raises msgspec.DecodeError where `stream_options` is not an object."""
    query = f"?{call.query}" if call.query else ""
    url = f"{deployment.api_base}/{call.endpoint}{query}"
    content_type = "application/json" if call.form is None else call.form.content_type
    headers = [("content-type", content_type), ("accept-encoding", "identity")]
    if api_key is not None:
        headers.append(("authorization", f"Bearer {api_key}"))
    if call.form is not None:
        return UpstreamRequest(url, tuple(headers), call.form.with_model(deployment.model))
    members = {**call.members, "model": msgspec.Raw(_encoder.encode(deployment.model))}
    if call.stream and not call.wants_usage and call.endpoint in _ASKED_FOR_USAGE:
        given = members.get("stream_options")
        options = _STREAM_OPTIONS.decode(given) if given is not None and bytes(given) != b"null" else {}
        members["stream_options"] = msgspec.Raw(_encoder.encode({**options, "include_usage": _TRUE}))
    return UpstreamRequest(url, tuple(headers), _encoder.encode(members))


OPENAI_COMPATIBLE = Provider(
    ProviderNeeds("openai-compatible", needs_api_base=True, takes_api_key=True),
    wires={endpoint: Wire(request) for endpoint in ENDPOINTS},
)
