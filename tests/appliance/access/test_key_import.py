"""Keys from other gateways: apps keep theirs, and what is not taken over is said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.key_import import SOURCES, Found, Home, Source, read_keys
from appliance.errors import KeyRefused
from appliance.gateway.admission import authenticate
from appliance.gateway.errors import InvalidKey, KeyPaused
from appliance.gateway.snapshot import take_snapshot
from appliance.operations.key_import import find_keys, import_keys
from appliance.operations.keys import list_keys
from appliance.state.site import Site
from tests.appliance.papers import NOW
from tests.appliance.sites import licensed_site, no_secrets

HOME = Home("acme", "platform")
LITELLM_SECRET = "sk-1a2B3c4D5e6F7g8H9i0J"
LITELLM: list[dict[str, Any]] = [
    {
        "token": hashlib.sha256(LITELLM_SECRET.encode()).hexdigest(),
        "key_name": "sk-...9i0J",
        "key_alias": "billing",
        "spend": 12.25,
        "max_budget": 100.0,
        "rpm_limit": 60,
        "tpm_limit": None,
        "expires": "2027-06-30T12:00:00.500000+02:00",
        "models": ["acme-*", "chat"],
        "team_id": "7b1",
        "blocked": None,
        "metadata": {},
    },
    {"token": "a" * 64, "key_alias": "old", "expires": "2020-01-01T00:00:00Z", "models": []},
    {"token": "b" * 64, "key_alias": "stopped", "expires": None, "models": ["all-team-models"], "blocked": True},
]
ONE_API = [
    {
        "id": 1,
        "user_id": 7,
        "key": "Qw3rTy" * 8,
        "status": 1,
        "name": "shop",
        "expired_time": -1,
        "remain_quota": 500000,
        "unlimited_quota": False,
        "models": "chat,embed",
        "subnet": "10.1.0.0/16",
    },
    {"id": 2, "user_id": 7, "key": "Zz9" * 16, "status": 2, "name": "off", "expired_time": -1, "unlimited_quota": True},
]
CSV = (
    "name,key,team,expires,models,networks\r\n"
    "a,ao-test-0123456789abcdef,ward-3,2027-01-01,chat;emb*,10.0.0.0/8;::1\r\n"
    "b,sk-0123456789abcdef01,,,,\r\n"
)


def read(data: object, source: Source) -> Found:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return read_keys(raw, source, HOME, NOW, file="export")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state")
    yield made
    made.close()


def whose(site: Site, secret: str) -> str:
    return authenticate(take_snapshot(site, no_secrets, NOW), {b"x-api-key": secret.encode()}, NOW).key.name


def test_an_app_of_litellm_goes_on_with_its_key(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": LITELLM}))
    found = find_keys(file, "litellm", HOME, NOW)
    import_keys(site, found, "litellm", NOW)
    assert whose(site, LITELLM_SECRET) == "billing"
    billing, stopped = sorted(list_keys(site), key=lambda key: key.name)
    assert (billing.org, billing.team, billing.models, billing.prefix) == (
        "acme",
        "7b1",
        ("acme-*", "chat"),
        "sk-...9i0J",
    )
    assert billing.expires_at is not None
    assert billing.expires_at.isoformat() == "2027-06-30T10:00:00+00:00"
    assert (stopped.state(NOW), stopped.models) == ("paused", None)
    assert found.notes == (
        "billing: max_budget 100.0 is not taken over",
        "billing: rpm_limit 60 is not taken over",
        "old: has expired, and is left out",
    )


def test_the_digest_that_another_gateway_kept_opens_nothing(site: Site) -> None:
    """Neither as it is, nor anything else that is not the key itself."""
    import_keys(site, read(LITELLM, "litellm"), "litellm", NOW)
    for wrong in (str(LITELLM[0]["token"]), LITELLM_SECRET + "x", LITELLM_SECRET.lower()):
        with pytest.raises(InvalidKey):
            whose(site, wrong)


def test_neither_key_nor_digest_is_stored(site: Site) -> None:
    import_keys(site, read(LITELLM, "litellm"), "litellm", NOW)
    import_keys(site, read(ONE_API, "one-api"), "one-api", NOW)
    site.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    digest = str(LITELLM[0]["token"])
    planted = [LITELLM_SECRET.encode(), digest.encode(), bytes.fromhex(digest), b"Qw3rTy" * 8]
    files = [file.read_bytes() for file in site.folder.rglob("*") if file.is_file()]
    assert files
    assert not [each for each in planted if any(each in data for data in files)]


def test_tokens_of_one_api_come_with_their_models_networks_and_state(site: Site) -> None:
    found = read(ONE_API, "one-api")
    import_keys(site, found, "one-api", NOW)
    shop = found.keys[0]
    assert (shop.team, shop.models, [str(each) for each in shop.networks or ()]) == (
        "user-7",
        ("chat", "embed"),
        ["10.1.0.0/16"],
    )
    assert found.notes == ("shop: remain_quota 500000 is not taken over",)
    with pytest.raises(KeyPaused):
        whose(site, "sk-" + "Zz9" * 16)


def test_one_api_may_be_exported_as_a_table() -> None:
    columns = ["id", "key", "status", "name", "expired_time", "unlimited_quota"]
    rows = [[str(row[name]) for name in columns] for row in ONE_API]
    text = "\n".join(",".join(row) for row in [columns, *rows])
    assert [key.name for key in read(text.encode(), "one-api").keys] == ["shop", "off"]


def test_a_table_of_ones_own(site: Site) -> None:
    found = read(CSV.encode(), "csv")
    first, second = found.keys
    assert (first.team, first.models, first.shown) == ("ward-3", ("chat", "emb*"), "ao-tes")
    assert [str(each) for each in first.networks or ()] == ["10.0.0.0/8", "::1/128"]
    assert (second.org, second.team, second.models) == ("acme", "platform", None)
    import_keys(site, found, "csv", NOW)
    assert whose(site, "sk-0123456789abcdef01") == "b"


def test_all_of_a_file_or_none(site: Site) -> None:
    import_keys(site, read(ONE_API[:1], "one-api"), "one-api", NOW)
    with pytest.raises(KeyRefused) as refused:
        import_keys(site, read([ONE_API[1], ONE_API[0]], "one-api"), "one-api", NOW)
    assert refused.value.where == "key 2"
    assert "Qw3rTyQw3rTy" not in str(refused.value)
    assert [key.name for key in list_keys(site)] == ["shop"]


BAD: dict[str, tuple[Source, bytes, str]] = {
    "no utf-8": ("csv", b"\xff\xfe", "UTF-8"),
    "no list": ("litellm", b'{"keys": 3}', "no list"),
    "a table for litellm": ("litellm", b"token\nx", "LiteLLM's export is JSON"),
    "another column": ("csv", b"name,key,colour\na,b,c", "'colour'"),
    "no key column": ("csv", b"name,team\na,b", "are needed"),
    "too many fields": ("csv", b"name,key\na,sk-0123456789abcdef,c", "more or fewer"),
    "too few fields": ("csv", b"name,key,team\na,sk-0123456789abcdef", "more or fewer"),
    "a short key": ("csv", b"name,key\na,short", "at least 16"),
    "no such date": ("csv", b"name,key,expires\na,sk-0123456789abcdef,soon", "no date"),
    "no network": ("csv", b"name,key,networks\na,sk-0123456789abcdef,10.0.0.1/8", "no network"),
    "no digest": ("csv", b"name,sha256\na,abc", "64 hexadecimal"),
    "a token that is a number": ("litellm", b'[{"token": 3}]', "token"),
    "a status that is none": ("one-api", b'[{"key": "0123456789abcdef", "status": 9}]', "status 9"),
    "nothing": ("litellm", b"[]", "no key"),
    "deep": ("litellm", b"[" * 100_000, "not JSON"),
}


@pytest.mark.parametrize(("source", "data", "said"), BAD.values(), ids=list(BAD))
def test_what_is_no_export_is_refused_with_its_place(source: Source, data: bytes, said: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        read(data, source)
    assert said in refused.value.message
    assert str(refused.value.where).startswith("export")


@given(st.binary(max_size=200), st.sampled_from(SOURCES))
def test_whatever_the_file_it_is_read_or_refused(data: bytes, source: Source) -> None:
    try:
        found = read(data, source)
    except KeyRefused:
        return
    assert all(key.expires_at is None or key.expires_at > NOW - timedelta(days=1) for key in found.keys)
