"""What every body has in common: its kind and schema, exact types, times, and messages that are safe to show."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licensing.document import PAYLOAD_TYPES, format_time, parse_time
from licensing.envelope import VerifiedBody
from licensing.errors import LicensingError, Malformed, WrongKind
from licensing.licence import Licence
from licensing.receipt import Receipt
from licensing.site_request import SiteRequest, open_site_request
from licensing.strict_json import canonical
from licensing.trust import Trust
from licensing.usage import Usage
from tests.licensing.documents import (
    key,
    licence_members,
    receipt_members,
    signed,
    site_request_members,
    trust_members,
    usage_members,
)

BODIES: list[tuple[Any, dict[str, Any]]] = [
    (Trust, trust_members()),
    (Licence, licence_members()),
    (Receipt, receipt_members()),
    (SiteRequest, site_request_members()),
    (Usage, usage_members()),
]
SECONDS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(8999, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


@pytest.mark.parametrize(("model", "members"), BODIES)
def test_a_body_is_written_and_read_back_unchanged(model: Any, members: dict[str, Any]) -> None:
    read = model.from_mapping(members)
    assert model.from_verified(VerifiedBody(model.payload_type(), read.to_bytes(), ())) == read
    assert read.to_bytes() == model.from_mapping(json.loads(read.to_bytes())).to_bytes()


@pytest.mark.parametrize(("model", "members"), BODIES)
@pytest.mark.parametrize("schema", [0, 2, "1", None, True, 10**18])
def test_another_schema_is_refused(model: Any, members: dict[str, Any], schema: object) -> None:
    with pytest.raises((WrongKind, Malformed)):
        model.from_mapping(members | {"schema": schema})


@pytest.mark.parametrize(("model", "members"), BODIES)
@pytest.mark.parametrize("kind", [None, "", "config", "Trust", ["trust"], {"a": 1}, 1])
def test_another_kind_is_refused(model: Any, members: dict[str, Any], kind: object) -> None:
    with pytest.raises(WrongKind):
        model.from_mapping(members | {"kind": kind})


@pytest.mark.parametrize(("model", "members"), BODIES)
def test_a_body_is_read_only_under_its_own_payload_type(model: Any, members: dict[str, Any]) -> None:
    for kind, payload_type in PAYLOAD_TYPES.items():
        if kind != members["kind"]:
            with pytest.raises(WrongKind):
                model.from_verified(VerifiedBody(payload_type, canonical(members), ()))


@pytest.mark.parametrize(("model", "members"), BODIES)
def test_each_member_is_needed_or_has_a_default_that_says_the_same(model: Any, members: dict[str, Any]) -> None:
    whole = model.from_mapping(members)
    for name in members:
        rest = {other: value for other, value in members.items() if other != name}
        try:
            assert isinstance(model.from_mapping(rest), type(whole))
        except (Malformed, WrongKind):
            continue
        assert not model.model_fields[name].is_required()


@pytest.mark.parametrize(("model", "members"), BODIES)
@pytest.mark.parametrize("extra", ["x", "schema_version", "Serial", " serial", "__class__"])
def test_no_unknown_member_is_read(model: Any, members: dict[str, Any], extra: str) -> None:
    with pytest.raises(Malformed):
        model.from_mapping(members | {extra: 1})


@pytest.mark.parametrize(("model", "members"), BODIES)
@pytest.mark.parametrize("value", [None, "7", 7.0, True, -1, [7], {"n": 7}])
def test_a_serial_is_a_count(model: Any, members: dict[str, Any], value: object) -> None:
    with pytest.raises(Malformed):
        model.from_mapping(members | {"serial": value})


@pytest.mark.parametrize(("model", "members"), BODIES)
def test_claims_cannot_be_changed_once_read(model: Any, members: dict[str, Any]) -> None:
    claims = model.from_mapping(members)
    with pytest.raises(ValueError, match="frozen"):
        claims.serial = 8


# --- times


@given(SECONDS)
@settings(deadline=None)
def test_a_time_is_written_and_read_back_unchanged(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


@pytest.mark.parametrize("text", ["2000-01-01T00:00:00Z", "8999-12-31T23:59:59Z"])
def test_the_first_and_the_last_time_are_written_and_read_back(text: str) -> None:
    assert format_time(parse_time(text)) == text


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "9000-01-01T00:00:00Z"])
def test_a_time_to_which_days_cannot_be_added_safely_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="between the years"):
        parse_time(text)


@given(SECONDS, st.integers(-1439, 1439))
@settings(deadline=None)
def test_a_time_of_any_zone_is_written_in_utc(moment: datetime, minutes: int) -> None:
    assert format_time(moment.astimezone(timezone(timedelta(minutes=minutes)))) == format_time(moment)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",
        "2026-03-01T08:00Z",
        "2026-03-01T08:00:00",
        "2026-03-01T08:00:00z",
        "2026-03-01t08:00:00Z",
        "2026-03-01 08:00:00Z",
        "2026-03-01T08:00:00.0Z",
        "2026-03-01T08:00:00+00:00",
        "2026-03-01T08:00:00Z\n",
        " 2026-03-01T08:00:00Z",
        "2026-02-29T08:00:00Z",
        "2026-13-01T08:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T08:00:60Z",
        "0000-03-01T08:00:00Z",
        "-026-03-01T08:00:00Z",
        "２０２６-03-01T08:00:00Z",
        1772352000,
        None,
        True,
        ["2026-03-01T08:00:00Z"],
    ],
)
def test_a_time_has_one_spelling(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)
    with pytest.raises(Malformed):
        Licence.from_mapping(licence_members(issued_at=text))


# --- hostile bodies


def test_nesting_of_any_depth_is_refused_as_malformed() -> None:
    """The reader's limit and the writer's are not the same; neither may escape as another exception."""
    usual = json.dumps(site_request_members())
    for depth in [*range(150, 1_100), 20_000]:
        nested = "[" * depth + "]" * depth
        for body in (usual[:-1] + f',"x":{nested}}}', usual.replace('"site-request"', nested)):
            with pytest.raises(LicensingError):
                open_site_request(signed("site-request", body.encode(), key("site")))


@pytest.mark.parametrize(
    "member",
    ["\x1b[2J\x1b[H", "issued_at: all is well\nao: imported", "\u202egnorw", "A" * 20_000, "\x00", "\u2028"],
    ids=["escape sequence", "newline", "reading direction", "length", "NUL", "line separator"],
)
def test_a_refusal_shows_nothing_that_the_sender_chose_raw(member: str) -> None:
    """Anyone can sign a site request; what it says reaches the vendor's terminal, log and page."""
    with pytest.raises(Malformed) as caught:
        open_site_request(signed("site-request", site_request_members(**{member: 1}), key("site")))
    shown = str(caught.value)
    assert shown.isprintable()
    assert len(shown) < 500


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(Malformed) as caught:
        Licence.from_mapping(licence_members(issued_at="2026-13-45T08:00:00Z"))
    assert "2026-13-45" not in str(caught.value)
