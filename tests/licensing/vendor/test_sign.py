"""A signed config is the author's text, byte for byte, under a head that was checked."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from licensing.config_header import header_of
from licensing.document import PAYLOAD_TYPES
from licensing.envelope import parse, to_json
from licensing.errors import Refusal, SignatureRefused
from licensing.vendor.errors import ConfigRefused, SiteUnknown
from licensing.vendor.sign import with_head
from media.errors import YamlRefused
from media.reader import LIMITS
from media.strict_yaml import load
from tests.licensing.vendor.simulated_site import SimulatedSite, SiteKey
from tests.licensing.vendor.vendors_desk import NOW, VendorsDesk

TEXT = "# Line 7\nmodels:\n  - name: 灯塔   # as asked\n    note: |\n      two\n\n      lines\n".encode()
HEAD = b'kind: config\nschema: 1\nserial: 1\nissued_at: "2026-04-01T12:00:00Z"\nsite: "plant-7"\n'


def headed(text: bytes, *, site: str = "plant-7", serial: int = 1) -> bytes:
    return with_head(text, file="config.yaml", site=site, serial=serial, now=NOW)


def mapping(text: bytes) -> dict[str, Any]:
    value = load(text).value
    assert isinstance(value, dict)
    return value


# -- the head ----------------------------------------------------------------------------------------------------------


def test_a_head_is_put_before_a_text_that_has_none() -> None:
    assert headed(TEXT) == HEAD + TEXT


def test_a_head_that_is_there_is_left_as_it_was_written() -> None:
    text = TEXT + b"site: plant-7\nserial: 1\n# today\nissued_at: 2026-04-01T11:00:00Z\nschema: 1\nkind: config\n"
    assert headed(text) == text


@pytest.mark.parametrize("site", ["true", "null", "007", "1e5", "yes", "0x1f", "on-", "123"])
def test_a_site_whose_name_yaml_would_take_for_something_else_keeps_its_name(site: str) -> None:
    assert header_of(mapping(headed(TEXT, site=site))).site == site


plain_yaml = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text("abc :#-|>'\"\n{}é", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcdefxyz", min_size=1, max_size=8), plain_yaml, min_size=1, max_size=4))
def test_whatever_the_text_says_it_says_still_and_byte_for_byte(members: dict[str, Any]) -> None:
    text = yaml.safe_dump(members, allow_unicode=True).encode()
    try:
        said = mapping(text)
        body = headed(text)
    except (YamlRefused, ConfigRefused):
        return  # what strict YAML does not read is not signed
    assert body == HEAD + text
    head = {
        "kind": "config",
        "schema": 1,
        "serial": 1,
        "issued_at": "2026-04-01T12:00:00Z",
        "site": "plant-7",
    }
    assert mapping(body) == head | said


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        (HEAD.replace(b"plant-7", b"plant-8") + TEXT, "line 5", "is for site 'plant-8'"),
        (HEAD.replace(b"serial: 1", b"serial: 2") + TEXT, "line 3", "it was to be signed for site 'plant-7' as 1"),
        (HEAD.replace(b"serial: 1", b"serial: one") + TEXT, "line 1", "serial"),
        (HEAD.replace(b"12:00:00Z", b"12:00:01Z") + TEXT, "line 4", "has not come yet"),
        (HEAD.replace(b"schema: 1", b"schema: 2") + TEXT, "line 1", "schema"),
        (HEAD.replace(b"kind: config", b"kind: licence") + TEXT, "line 1", "licence"),
        (b"models: []\nsite: plant-7\n", "line 2", "kind, schema, serial, issued_at is missing"),
        (b"{models: []}\n", None, "begins with '{'"),
        (b"models: []", None, "newline"),
        (b"- models\n", None, "not a mapping"),
        (b"---\nmodels: []\n", None, "No head can be put before"),
        (b"  models: []\n", None, "No head can be put before"),
        (b"models: []\n# -----BEGIN AO SIGNATURE-----\n# {}\n", None, "signature block already"),
    ],
)
def test_what_cannot_be_signed_is_refused_with_its_place(text: bytes, place: str | None, reason: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        headed(text)
    assert reason in refused.value.message
    assert (refused.value.where or "").startswith(f"config.yaml, {place}" if place else "config.yaml")
    assert refused.value.exit_code == 98


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"models:\n  - name: [unclosed\n", "config.yaml, line 3"),
        (b"a: 1\na: 2\n", "config.yaml, line 2, column 1"),
        (b"a: 1\nb: &x 2\n", "config.yaml, line 2"),
        (b"a: 1\r\n", "config.yaml, line 1"),
        (b"a: \xff\n", "config.yaml, line 1"),
        (b"", "config.yaml, line 1"),
    ],
)
def test_broken_yaml_is_refused_with_file_line_and_column(text: bytes, place: str) -> None:
    with pytest.raises(YamlRefused) as refused:
        headed(text)
    assert (refused.value.where or "").startswith(place)
    assert "sign it again" in refused.value.remedy


# -- signed for real ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("licensed")
def test_a_signed_config_verifies_under_the_trust_and_is_still_yaml(desk: VendorsDesk) -> None:
    assert desk.sign(TEXT).serial == 1
    data = (desk.folder / "config.yaml.signed").read_bytes()
    assert data.startswith(HEAD + TEXT)
    verified = desk.trust.verify(parse(data), role="config", payload_type=PAYLOAD_TYPES["config"])
    assert verified.body == HEAD + TEXT
    assert load(data).value == load(verified.body).value
    as_json = to_json(parse(data))
    assert desk.trust.verify(parse(as_json), role="config", payload_type=PAYLOAD_TYPES["config"]) == verified


@pytest.mark.usefixtures("licensed")
def test_a_signed_config_with_one_byte_changed_does_not_verify(desk: VendorsDesk) -> None:
    desk.sign(TEXT)
    data = (desk.folder / "config.yaml.signed").read_bytes()
    changed = parse(data.replace(b"two", b"too"))
    with pytest.raises(SignatureRefused):
        desk.trust.verify(changed, role="config", payload_type=PAYLOAD_TYPES["config"])


def test_config_serials_rise_for_each_site_by_itself(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    from dataclasses import replace

    from tests.licensing.vendor.vendors_desk import TERMS

    other = SimulatedSite(site="plant-8", key=SiteKey("plant-8"))
    desk.issue(other, "other", terms=replace(TERMS, licence="lic-0002"))
    serials = [
        desk.sign(TEXT, "a", site=licensed.site).serial,
        desk.sign(TEXT, "b", site=licensed.site).serial,
        desk.sign(TEXT, "c", site=other.site).serial,
    ]
    assert serials == [1, 2, 1]


@pytest.mark.usefixtures("licensed")
def test_what_is_refused_uses_up_no_serial(desk: VendorsDesk) -> None:
    before = desk.contents()
    too_long = b"a: 1\n# " + b"x" * (LIMITS["config"] - 8) + b"\n"
    refused: list[type[Refusal]] = []
    for text, site in ((b"a: [\n", "plant-7"), (TEXT, "plant-9"), (too_long, "plant-7")):
        with pytest.raises(Refusal) as refusal:
            desk.sign(text, site=site)
        refused.append(type(refusal.value))
    assert refused == [YamlRefused, SiteUnknown, ConfigRefused]
    assert desk.contents() == before
    assert not (desk.folder / "config.yaml.signed").exists()
    assert desk.sign(TEXT).serial == 1
