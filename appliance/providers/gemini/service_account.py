"""A Google service account's file, exchanged for an access token: RFC 7523 with a JWT signed by google-auth (pure).

The address that is asked stands in the file that the operator configured, and must be https. google-auth's own
transports and its look-up of ambient credentials are not used.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from google.auth import crypt, jwt

from appliance.providers.call import AccessToken, TokenGrant, UnreadableAnswer, UpstreamRequest

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE_SECONDS = 3600


class _Account(msgspec.Struct):
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str | None = None


class _Token(msgspec.Struct):
    access_token: str
    expires_in: int = _LIFE_SECONDS


# google-auth tells mypy that it has types, and leaves these two without.
_from_string: Any = crypt.RSASigner.from_string
_encoded: Any = jwt.encode

_account = msgspec.json.Decoder(_Account)
_token = msgspec.json.Decoder(_Token)


def request(credential: str, at: float) -> UpstreamRequest:
    """What is sent to the token's address. Raises ValueError for a file that is no service account's."""
    try:
        account = _account.decode(credential)
    except msgspec.DecodeError:
        raise ValueError("The key of a Vertex deployment is the JSON file of a service account.") from None
    if not account.token_uri.startswith(("https://", "http://127.0.0.1:")):
        raise ValueError("The token_uri of the service account is not https.")
    signer: Any = _from_string(account.private_key, account.private_key_id)
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": int(at),
        "exp": int(at) + _LIFE_SECONDS,
    }
    form = {"grant_type": _GRANT_TYPE, "assertion": _encoded(signer, claims).decode()}
    headers = (("content-type", "application/x-www-form-urlencoded"), ("accept-encoding", "identity"))
    return UpstreamRequest(account.token_uri, headers, urlencode(form).encode())


def read(body: bytes, at: float) -> AccessToken:
    """Raises UnreadableAnswer."""
    try:
        told = _token.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UnreadableAnswer("no access token") from exc
    if not told.access_token.isascii() or not told.access_token.isprintable():
        raise UnreadableAnswer("an access token that no header can carry")
    return AccessToken(told.access_token, at + told.expires_in)


GRANT = TokenGrant(request, read)
