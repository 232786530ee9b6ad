"""A config's head: the mapping that YAML gave, read as strictly as any other body."""

from __future__ import annotations

from typing import Any

import pytest

from licensing.config_header import HEADER_MEMBERS, header_of
from licensing.document import PAYLOAD_TYPES
from licensing.errors import LicensingError, Malformed, WrongKind
from media.errors import MediaError
from media.strict_yaml import load
from tests.licensing.documents import CONFIG_TEXT, SITE


def head(**changes: Any) -> dict[str, Any]:
    return {"kind": "config", "schema": 1, "serial": 4, "issued_at": "2026-03-01T08:00:00Z", "site": SITE} | changes


def test_the_head_is_read_and_the_rest_left_alone() -> None:
    header = header_of(head(models=[object()], limits={"rpm": 1.5}))
    assert (header.serial, header.site) == (4, SITE)
    assert header.payload_type() == PAYLOAD_TYPES["config"]


def test_the_head_is_read_from_the_yaml_that_was_signed() -> None:
    value = load(CONFIG_TEXT).value
    assert isinstance(value, dict)
    assert header_of(value).serial == 4


@pytest.mark.parametrize("member", HEADER_MEMBERS)
def test_every_member_of_the_head_is_needed(member: str) -> None:
    with pytest.raises((Malformed, WrongKind)):
        header_of({name: value for name, value in head().items() if name != member} | {"models": []})


@pytest.mark.parametrize(
    "changes",
    [
        {"serial": 0},
        {"serial": 4.0},
        {"serial": "4"},
        {"serial": True},
        {"serial": None},
        {"site": "Site One"},
        {"site": "ab"},
        {"site": "-site"},
        {"site": "a" * 64},
        {"site": "site-0001\n"},
        {"kind": "licence"},
        {"schema": 2},
        {"issued_at": "2026-03-01"},
    ],
)
def test_a_head_of_another_shape_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((Malformed, WrongKind)):
        header_of(head(**changes))


@pytest.mark.parametrize(
    "text", ["1.0e+999", '"\\ud800"', "." + "0" * 30 + "1", "9" * 400, "[[[[1]]]]", "{a: {b: 1}}", ".inf"]
)
@pytest.mark.parametrize("member", HEADER_MEMBERS)
def test_whatever_the_yaml_reader_lets_through_is_refused_as_a_document(member: str, text: str) -> None:
    lines = [f"{name}: {text if name == member else value}\n" for name, value in head().items()]
    try:
        value = load("".join(lines).encode()).value
    except MediaError:
        return
    assert isinstance(value, dict)
    with pytest.raises(LicensingError):
        header_of(value)
