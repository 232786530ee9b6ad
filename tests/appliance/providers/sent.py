"""What a request builder made, as bytes: for those that never stream a body."""

from __future__ import annotations

from appliance.providers.call import UpstreamRequest


def body_of(request: UpstreamRequest) -> bytes:
    assert isinstance(request.body, bytes)
    return request.body
