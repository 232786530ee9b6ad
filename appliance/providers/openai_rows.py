"""Rows that speak OpenAI's wire: the same requests, with the row's quirks, its key header, and Azure's paths (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

from appliance.config.model import Deployment
from appliance.providers.authorise import with_key
from appliance.providers.call import Call, UpstreamRequest, Wire
from appliance.providers.openai import OPENAI_COMPATIBLE
from appliance.providers.quirks import as_it_takes
from appliance.providers.row import ProviderRow

Request = Callable[[Call, Deployment, str | None], UpstreamRequest]


def openai_wires(row: ProviderRow) -> Mapping[str, Wire]:
    """The wires of OpenAI's API that the row has."""
    return _wires(row, lambda request: _with_quirks(request, row))


def azure_wires(row: ProviderRow) -> Mapping[str, Wire]:
    """Those of Azure's classic API: a deployment in the path, a version in the query."""
    return _wires(row, lambda request: _at_azure(_with_quirks(request, row)))


def _wires(row: ProviderRow, changed: Callable[[Request], Request]) -> Mapping[str, Wire]:
    return {
        endpoint: replace(wire, request=changed(wire.request))
        for endpoint, wire in OPENAI_COMPATIBLE.wires.items()
        if row.endpoints is None or endpoint in row.endpoints
    }


def _with_quirks(request: Request, row: ProviderRow) -> Request:
    def build(call: Call, deployment: Deployment, api_key: str | None) -> UpstreamRequest:
        built = request(as_it_takes(call, row.quirks), deployment, api_key)
        return replace(built, headers=with_key(built.headers, row.auth, api_key))

    return build


def _at_azure(request: Request) -> Request:
    def build(call: Call, deployment: Deployment, api_key: str | None) -> UpstreamRequest:
        version = f"api-version={deployment.parameter('api_version')}"
        base = f"{deployment.api_base}/openai/deployments/{quote(deployment.model, safe='')}"
        asked = replace(call, query=f"{version}&{call.query}" if call.query else version)
        return request(asked, replace(deployment, api_base=base), api_key)

    return build
