"""AWS's signature: by their published example, and as botocore itself signs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from appliance.providers.bedrock.sign import AwsKey, aws_key, signed
from appliance.providers.call import UpstreamRequest

# The example key, time and scope of AWS's Signature Version 4 test suite.
KEY = AwsKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()


def header(request: UpstreamRequest, name: str) -> str:
    return dict(request.headers)[name]


def test_the_published_example_post_vanilla() -> None:
    made = signed(
        UpstreamRequest("https://example.amazonaws.com/", (), b""), KEY, region="us-east-1", service="service", at=AT
    )
    assert header(made, "x-amz-date") == "20150830T123600Z"
    assert header(made, "authorization") == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    )


@pytest.mark.parametrize("token", [None, "session/token=="])
@pytest.mark.parametrize("model", ["plain", "eu.anthropic.claude%3A0", "arn%3Aaws%3Abedrock%3Aeu%3A1%3Aprofile%2Fx"])
@pytest.mark.parametrize("host", ["bedrock-runtime.eu-central-1.amazonaws.com", "127.0.0.1:8443"])
def test_botocore_signs_the_same(monkeypatch: Any, token: str | None, model: str, host: str) -> None:
    url = f"https://{host}/model/{model}/converse"
    headers = (("content-type", "application/json"), ("accept-encoding", "identity"))
    key = AwsKey(KEY.id, KEY.secret, token)
    made = signed(UpstreamRequest(url, headers, b'{"a":1}'), key, region="eu-central-1", service="bedrock", at=AT)
    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(AT, UTC))
    theirs = AWSRequest(method="POST", url=url, data=b'{"a":1}', headers=dict(headers))
    auth.SigV4Auth(Credentials(key.id, key.secret, token), "bedrock", "eu-central-1").add_auth(theirs)
    assert header(made, "authorization") == theirs.headers["Authorization"]
    assert dict(made.headers).get("x-amz-security-token") == token


def test_what_is_no_access_key_is_a_bearer() -> None:
    assert aws_key("AKIDEXAMPLE123456:abc/+=") == AwsKey("AKIDEXAMPLE123456", "abc/+=")
    assert aws_key("AKIDEXAMPLE123456:abc:tok") == AwsKey("AKIDEXAMPLE123456", "abc", "tok")
    assert aws_key("ABSKQmVkcm9ja0FQSUtleQ==") is None
    assert aws_key("bedrock-api-key-YmVkcm9jaw") is None


def test_no_secret_is_in_a_repr() -> None:
    assert "MDENG" not in repr(KEY)
    assert "tok-en" not in repr(AwsKey("A", "B", "tok-en"))
