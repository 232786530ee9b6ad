"""AWS Signature Version 4 by botocore's signer, at a time that is given (pure: no client, no look-up of credentials).

botocore's own entry point reads the clock; its steps are public, and are taken here one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from appliance.providers.call import UpstreamRequest

_ACCESS_KEY = re.compile(r"([A-Z0-9]{16,128}):([A-Za-z0-9/+=]+)(?::([A-Za-z0-9/+=]+))?")


@dataclass(frozen=True, slots=True)
class AwsKey:
    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def aws_key(secret: str) -> AwsKey | None:
    """The access key in `ID:SECRET[:TOKEN]`; None for anything else, which is a Bedrock API key."""
    found = _ACCESS_KEY.fullmatch(secret)
    return AwsKey(found.group(1), found.group(2), found.group(3)) if found else None


def signed(request: UpstreamRequest, key: AwsKey, *, region: str, service: str, at: float) -> UpstreamRequest:
    """The POST with the headers that AWS asks for. `at` in seconds since 1970; AWS takes five minutes either way."""
    signer = SigV4Auth(Credentials(key.id, key.secret, key.token), service, region)
    stamp = datetime.fromtimestamp(at, UTC).strftime(SIGV4_TIMESTAMP)
    added = [("x-amz-date", stamp), *([("x-amz-security-token", key.token)] if key.token else [])]
    headers = (*request.headers, *added)
    bare = AWSRequest(method="POST", url=request.url, data=request.body, headers=dict(headers))
    bare.context["timestamp"] = stamp
    signature = signer.signature(signer.string_to_sign(bare, signer.canonical_request(bare)), bare)
    names = signer.signed_headers(signer.headers_to_sign(bare))
    authorization = f"AWS4-HMAC-SHA256 Credential={signer.scope(bare)}, SignedHeaders={names}, Signature={signature}"
    return UpstreamRequest(request.url, (*headers, ("authorization", authorization)), request.body)
