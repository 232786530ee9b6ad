"""What holds for every document, not only for the ones that someone thought of."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import YamlRefused
from media.strict_yaml import Document, Limits, load

LOADERS: dict[str, Any] = {"python": yaml.SafeLoader}
if yaml.__with_libyaml__:
    LOADERS["libyaml"] = yaml.CSafeLoader

both_parsers = pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS.keys())

texts = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"]),
        st.sampled_from("\t\n\r:#-?!&*%@`'\"{}[],|> \\=<~0123456789.eE_"),
    ),
    max_size=30,
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["yes", "null", "~", "<<", "0123", "1e5", "1.5", "-", "---", "...", "12:30", "2030-01-01"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)


class PlainDumper(yaml.SafeDumper):
    """Writes a value out wherever it occurs."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def outcome(data: bytes, loader: Any) -> Document | str:
    try:
        return load(data, limits=Limits(depth=100), loader=loader)
    except YamlRefused as refusal:
        return refusal.code


def same(first: Document | str, second: Document | str) -> bool:
    if isinstance(first, str) or isinstance(second, str):
        return first == second
    # repr() tells 1 from 1.0 and from True, which == does not.
    return repr(first.value) == repr(second.value) and dict(first.positions) == dict(second.positions)


@both_parsers
@given(value=values, flow=st.sampled_from([True, False, None]))
@settings(deadline=None)
def test_whatever_is_written_as_yaml_is_read_back_equal(loader: Any, value: object, flow: bool | None) -> None:
    text = yaml.dump(value, Dumper=PlainDumper, default_flow_style=flow, width=2**20, sort_keys=False)
    document = load(text.encode(), limits=Limits(depth=100), loader=loader)
    assert document.value == value
    assert repr(document.value) == repr(value)


@both_parsers
@given(value=values)
@settings(deadline=None)
def test_every_node_has_a_place_within_the_text(loader: Any, value: object) -> None:
    text = yaml.dump(value, Dumper=PlainDumper, width=2**20, sort_keys=False)
    document = load(text.encode(), limits=Limits(depth=100), loader=loader)
    lines = text.split("\n")

    def check(node: object, path: tuple[str | int, ...]) -> int:
        at = document.positions[path]
        assert 1 <= at.line <= len(lines)
        assert 1 <= at.column <= len(lines[at.line - 1]) + 1
        if isinstance(node, dict):
            return 1 + sum(check(inner, (*path, key)) for key, inner in node.items())
        if isinstance(node, list):
            return 1 + sum(check(inner, (*path, index)) for index, inner in enumerate(node))
        return 1

    assert check(document.value, ()) == len(document.positions)


@both_parsers
@given(data=st.binary(max_size=300))
@settings(deadline=None)
def test_no_bytes_cause_anything_but_a_refusal(loader: Any, data: bytes) -> None:
    outcome(data, loader)


# fmt: off
PIECES = [
    "a", "b", "c: ", "- ", "\n", "\n  ", "\n ", "    ", "{", "}", "[", "]", ", ", ",", ": ", ":", "? ", "?", "'",
    "\"", ">-", "#", " #x", "\\", "1", "true", "null", "~", "---", "...", "\n---\n", "@", "`", "-", "=", "<<", "é",
    "😀", "\xa0", "\"x\"", "\"x\":", "  ", "\n\n", "\\x41", "\na: ", "\n- ", "\n  c: ", "\"\\", "n\"", "\\\n", "0",
    "1.5", "\u3000", "%", "\\ud800", "\\U0011", "!", "!!str ", "&x ", "*x", "\n%x", "'\n", "|", "|\n ", "|2\n",
    "|+\n",
]
# fmt: on


@given(st.lists(st.sampled_from(PIECES), max_size=16).map("".join))
@settings(deadline=None, max_examples=1000)
def test_both_parsers_give_the_same_document(text: str) -> None:
    first, *others = (outcome(text.encode(), loader) for loader in LOADERS.values())
    assert all(same(first, other) for other in others)


@given(value=values, data=st.data())
@settings(deadline=None)
def test_both_parsers_give_the_same_for_a_document_damaged_on_the_way(value: object, data: st.DataObject) -> None:
    text = yaml.dump(value, Dumper=PlainDumper, width=2**20, allow_unicode=True).encode()
    at = data.draw(st.integers(min_value=0, max_value=len(text)))
    count = data.draw(st.integers(min_value=0, max_value=5))
    damaged = text[:at] + data.draw(st.binary(max_size=3)) + text[at + count :]
    first, *others = (outcome(damaged, loader) for loader in LOADERS.values())
    assert all(same(first, other) for other in others)


@both_parsers
@given(value=st.recursive(st.none() | st.booleans() | st.integers(-1000, 1000), st.lists, max_leaves=10))
@settings(deadline=None)
def test_json_is_read_as_json(loader: Any, value: object) -> None:
    document = {"plain": value, "text": 'quotes " and \\ and é'}
    assert load(json.dumps(document, ensure_ascii=False).encode(), limits=Limits(depth=100), loader=loader).value == (
        document
    )
