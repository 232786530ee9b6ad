"""How a call shows that it may be made: which header a provider's key goes in (pure)."""

from __future__ import annotations

from appliance.providers.row import Auth

_HEADERS: dict[Auth, str] = {"x-api-key": "x-api-key", "api-key": "api-key", "x-goog-api-key": "x-goog-api-key"}

JSON_HEADERS = (("content-type", "application/json"), ("accept-encoding", "identity"))


def key_headers(auth: Auth, api_key: str | None) -> tuple[tuple[str, str], ...]:
    """The headers of every call in JSON, with the key where there is one."""
    if api_key is None or auth == "none":
        return JSON_HEADERS
    header = _HEADERS.get(auth)
    return (*JSON_HEADERS, (header, api_key) if header else ("authorization", f"Bearer {api_key}"))


def with_key(headers: tuple[tuple[str, str], ...], auth: Auth, api_key: str | None) -> tuple[tuple[str, str], ...]:
    """The same headers, their bearer key put where this provider looks for it."""
    if auth == "bearer" or api_key is None:
        return headers
    kept = tuple(each for each in headers if each[0] != "authorization")
    given = key_headers(auth, api_key)[len(JSON_HEADERS) :]
    return (*kept, *given)
