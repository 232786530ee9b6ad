"""Whether a call may proceed: key, rung, model, caps, and what the app is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.access.caps import NO_CAPS, changed
from appliance.access.grant import Grant
from appliance.access.kept_caps import Place, of_key, put_caps
from appliance.access.keys import change_key, create_key, networks_in, revoke_key, rotate_key
from appliance.errors import ConfigMissing, LicenceRefused
from appliance.gateway.admission import authenticate, routes_for, spend
from appliance.gateway.errors import (
    BudgetTooSmall,
    ChannelNotAllowed,
    FeatureNotLicensed,
    InvalidKey,
    ModelNotAllowed,
    ModelNotFound,
    ModelNotLicensed,
    QuotaExhausted,
    RateLimited,
    SourceNotAllowed,
    TooManyAtOnce,
    error_body,
)
from appliance.gateway.full import rate_headers
from appliance.gateway.snapshot import Snapshot, take_snapshot
from appliance.state.site import Site
from tests.appliance.access.counted import ask, at, opened
from tests.appliance.papers import NOW, entropy
from tests.appliance.sites import licensed_site, make_site, no_secrets, put_licence

TWO = (
    "models:\n"
    "  - alias: chat\n    provider: {name: openai-compatible, api_base: 'http://a/v1'}\n"
    "  - alias: chat\n    provider: {name: demo}\n"
    "  - alias: other\n    provider: {name: demo}\n"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state", TWO, models=["cha?"], caps={"rpm": 2, "tpm": 50})
    yield made
    made.close()


def snapshot(site: Site) -> Snapshot:
    return take_snapshot(site, no_secrets, NOW)


def make_key(site: Site, **more: Any) -> str:
    usual: dict[str, Any] = {"name": "x", "org": "o", "team": "t", "expires_at": None, "now": NOW} | more
    made = create_key(site.database, hash_key=site.key.hash_key, entropy=entropy(usual["name"], 32), **usual)
    return made.secret


def test_a_key_is_known_by_what_it_is(site: Site) -> None:
    secret = make_key(site).encode()
    for headers in ({b"authorization": b"Bearer " + secret}, {b"x-api-key": secret}, {b"x-api-key": b" " + secret}):
        assert authenticate(snapshot(site), headers, NOW).key.name == "x"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b""},
        {b"authorization": b"Bearer "},
        {b"authorization": b"ao-x"},
        {b"x-api-key": b"ao-\xff\xfe"},
        {b"authorization": b"Bearer " + b"x" * 10_000},
    ],
)
def test_anything_else_is_no_key(site: Site, headers: dict[bytes, bytes]) -> None:
    make_key(site)
    with pytest.raises(InvalidKey) as refused:
        authenticate(snapshot(site), headers, NOW)
    assert refused.value.http_status == 401


def test_a_key_that_has_ended_is_refused_with_the_reason(site: Site) -> None:
    secret = make_key(site, expires_at=NOW + timedelta(days=1)).encode()
    headers = {b"x-api-key": secret}
    with pytest.raises(InvalidKey, match="expired"):
        authenticate(snapshot(site), headers, NOW + timedelta(days=1))
    revoke_key(site.database, "x", NOW)
    with pytest.raises(InvalidKey, match="revoked") as refused:
        authenticate(snapshot(site), headers, NOW)
    assert secret.decode() not in refused.value.message


def test_the_deployments_of_an_alias_come_in_the_order_written(site: Site) -> None:
    assert [route.deployment.provider for route in routes_for(snapshot(site), "chat")] == ["openai-compatible", "demo"]


def test_an_alias_outside_the_licence_is_forbidden_and_one_outside_the_config_is_not_there(site: Site) -> None:
    with pytest.raises(ModelNotLicensed):
        routes_for(snapshot(site), "other")
    for name in ("nothing", "chas", "CHAT"):
        with pytest.raises(ModelNotFound):
            routes_for(snapshot(site), name)


def test_a_provider_without_its_add_on_is_no_route(tmp_path: Path) -> None:
    site = licensed_site(tmp_path / "state", TWO, add_ons=[])
    assert [route.deployment.provider for route in routes_for(snapshot(site), "chat")] == ["openai-compatible"]
    with pytest.raises(FeatureNotLicensed):
        routes_for(snapshot(site), "other")
    assert set(snapshot(site).models) == {"chat"}, "what cannot be called is not offered"
    site.close()


def test_calls_are_refused_while_the_licence_does_not_allow_them(site: Site) -> None:
    late = take_snapshot(site, no_secrets, NOW + timedelta(days=500))
    with pytest.raises(LicenceRefused) as refused:
        routes_for(late, "chat")
    assert (refused.value.code, refused.value.http_status) == ("licence_expired", 403)
    error = json.loads(error_body(refused.value))["error"]
    assert (error["code"], error["type"], error["param"]) == ("licence_expired", "permission_error", None)


def test_calls_are_refused_where_there_is_no_licence_or_no_config(tmp_path: Path) -> None:
    site = make_site(tmp_path / "state")
    with pytest.raises(LicenceRefused, match="No licence"):
        routes_for(snapshot(site), "chat")
    put_licence(site)
    with pytest.raises(ConfigMissing):
        routes_for(snapshot(site), "chat")
    site.close()


def grant_of(site: Site, **more: Any) -> Grant:
    secret = make_key(site, **more).encode()
    return authenticate(snapshot(site), {b"x-api-key": secret}, NOW)


def test_a_call_is_taken_out_of_the_caps(site: Site, tmp_path: Path) -> None:
    quota, grant = opened(tmp_path), grant_of(site)
    first = dict(rate_headers(spend(quota, grant, ask(), at(1000.0))))
    assert first[b"x-ratelimit-limit-requests"] == b"2"
    assert first[b"x-ratelimit-remaining-requests"] == b"1"
    assert first[b"x-ratelimit-limit-tokens"] == b"50"
    spend(quota, grant, ask(), at(1010.2))
    with pytest.raises(RateLimited) as refused:
        spend(quota, grant, ask(), at(1020.5))
    headers = dict(refused.value.headers)
    assert headers[b"retry-after"] == b"40"
    assert headers[b"x-ratelimit-remaining-requests"] == b"0"
    assert "The licence allows 2 requests a minute" in refused.value.message


def test_a_call_refused_for_tokens_does_not_say_that_its_requests_are_used_up(site: Site, tmp_path: Path) -> None:
    quota, grant = opened(tmp_path), grant_of(site)
    taken = spend(quota, grant, ask(30), at(1000.0))
    assert taken is not None
    quota.settle(taken, 50, 0, at(1000.0))
    with pytest.raises(RateLimited, match="50 tokens a minute") as refused:
        spend(quota, grant, ask(1), at(1000.0))
    assert b"x-ratelimit-remaining-requests" not in dict(refused.value.headers)


def test_the_tiers_above_a_key_bound_what_it_may_do(site: Site) -> None:
    put_caps(site.database, Place("team", "o", "t"), changed(NO_CAPS, {"models": ("oth*",), "channels": ("dev",)}))
    secret = make_key(site, channel="dev").encode()
    taken = snapshot(site)
    grant = authenticate(taken, {b"x-api-key": secret}, NOW)
    with pytest.raises(ModelNotAllowed, match="The team o/t may not use the model 'chat'"):
        routes_for(taken, "chat", grant)
    change_key(site.database, "x", NOW, channel="prod")
    with pytest.raises(ChannelNotAllowed, match="The team o/t has no keys of the channel 'prod'"):
        authenticate(snapshot(site), {b"x-api-key": secret}, NOW)
    put_caps(site.database, Place("team", "o", "t"), changed(NO_CAPS, {"networks": networks_in(["10.0.0.0/8"])}))
    with pytest.raises(SourceNotAllowed, match="The team o/t"):
        authenticate(snapshot(site), {b"x-api-key": secret}, NOW, ("192.0.2.1", 4))
    authenticate(snapshot(site), {b"x-api-key": secret}, NOW, ("10.9.9.9", 4))
    put_caps(site.database, Place("org", "o"), changed(NO_CAPS, {"expires_at": NOW}))
    with pytest.raises(InvalidKey, match="The organisation o has come to the end"):
        authenticate(snapshot(site), {b"x-api-key": secret}, NOW, ("10.9.9.9", 4))


def test_a_channel_has_caps_of_its_own(site: Site, tmp_path: Path) -> None:
    put_caps(site.database, Place("team", "o", "t", channel="dev"), changed(NO_CAPS, {"rpm": 1}))
    dev = grant_of(site, channel="dev")
    prod = grant_of(site, name="y")
    quota = opened(tmp_path)
    spend(quota, dev, ask(), at(0))
    with pytest.raises(RateLimited, match=r"The team o/t \(dev\) allows 1 requests a minute"):
        spend(quota, dev, ask(), at(1))
    spend(quota, prod, ask(), at(1))


def test_a_rotated_key_shares_what_was_used_up(site: Site, tmp_path: Path) -> None:
    first = grant_of(site)
    put_caps(site.database, of_key(first.key.account), changed(NO_CAPS, {"concurrent": 1}))
    until = NOW + timedelta(days=1)
    made = rotate_key(site.database, site.key.hash_key, "x", until, NOW, entropy("successor", 32))
    second = authenticate(snapshot(site), {b"x-api-key": made.secret.encode()}, NOW)
    first = snapshot(site).grants[first.key.id]
    quota = opened(tmp_path)
    spend(quota, first, ask(), at(0))
    with pytest.raises(TooManyAtOnce, match="This API key allows 1 calls at once"):
        spend(quota, second, ask(), at(0))


def test_budgets_say_until_when_they_are_used_up(site: Site, tmp_path: Path) -> None:
    put_caps(site.database, Place("org", "o"), changed(NO_CAPS, {"cost_month": 12_500_000, "tokens_day": 40}))
    grant, quota = grant_of(site), opened(tmp_path)
    with pytest.raises(BudgetTooSmall, match=r"allows calls for 12.50 a month, and this call alone may cost 13.00"):
        spend(quota, grant, ask(1, 1, cost=13_000_000), at(0))
    taken = spend(quota, grant, ask(40), at(0))
    assert taken is not None
    quota.settle(taken, 40, 1, at(0))
    with pytest.raises(QuotaExhausted, match=r"o allows 40 tokens a day, .* until 20..-..-..T00:00:00Z"):
        spend(quota, grant, ask(1), at(61))
    assert QuotaExhausted.http_status == 429


def test_no_secret_is_in_the_repr_of_what_a_worker_decides_by(site: Site) -> None:
    taken = snapshot(site)
    for each in (taken, replace(taken, refusal=None), *taken.routes["chat"], site.key):
        assert "object at" in repr(each) or "=" not in repr(each)
