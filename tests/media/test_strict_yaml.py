"""A document is read into plain values with their places, the same by either parser, or refused at a stated place."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from media.errors import YamlRefused
from media.strict_yaml import DEFAULT, Limits, Position, load

LOADERS: dict[str, Any] = {"python": yaml.SafeLoader}
if yaml.__with_libyaml__:
    LOADERS["libyaml"] = yaml.CSafeLoader

both_parsers = pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS.keys())


# -- values ------------------------------------------------------------------------------------------------------------

SCALARS: dict[str, object] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
    "0": 0,
    "-0": 0,
    "12": 12,
    "-3": -3,
    "9223372036854775807": 2**63 - 1,
    "-9223372036854775808": -(2**63),
    "0.5": 0.5,
    "-10.25": -10.25,
    "1.0e+9": 1e9,
    "1.5E-3": 0.0015,
    "0.00": 0.0,
    # What other readers of YAML take for something else stays what it looks like.
    "yes": "yes",
    "no": "no",
    "on": "on",
    "off": "off",
    "y": "y",
    "True": "True",
    "NULL": "NULL",
    "0123": "0123",
    "0o17": "0o17",
    "0x1F": "0x1F",
    "0b1": "0b1",
    "1_000": "1_000",
    "12:30:00": "12:30:00",
    "2030-01-01": "2030-01-01",
    "2030-01-01T00:00:00Z": "2030-01-01T00:00:00Z",
    "+5": "+5",
    "1.": "1.",
    ".5": ".5",
    "1e3": "1e3",
    "1.0e3": "1.0e3",
    ".inf": ".inf",
    "-.inf": "-.inf",
    ".nan": ".nan",
    "1.2.3": "1.2.3",
    "١٢": "١٢",
    "=": "=",
    "<<": "<<",
    "http://vllm.local:8000/v1": "http://vllm.local:8000/v1",
    "${OPENAI_API_KEY}": "${OPENAI_API_KEY}",
    # Quoted is a string, always.
    '"true"': "true",
    "'null'": "null",
    '"12"': "12",
    "''": "",
    '"~"': "~",
    r'"tab \t, line \n, CR \r, \u00e9, \U0001f600, \x41"': "tab \t, line \n, CR \r, é, 😀, A",
    "'it''s'": "it's",
    "|\n  two\n  lines\n": "two\nlines\n",
    ">-\n  one\n  line\n": "one line",
    "许可证 é 😀": "许可证 é 😀",
}


@both_parsers
@pytest.mark.parametrize(("text", "expected"), SCALARS.items(), ids=[repr(text) for text in SCALARS])
def test_a_scalar_means_what_the_table_says(loader: Any, text: str, expected: object) -> None:
    value = load(f"key: {text}\n".encode(), loader=loader).value
    assert isinstance(value, dict)
    assert value["key"] == expected
    assert type(value["key"]) is type(expected)


@both_parsers
def test_a_config_like_document(loader: Any) -> None:
    text = """\
---
# who may call what
models:
  - alias: small
    provider: {name: vllm, urls: [http://a:1, "http://b:2"]}
  - alias: large

    provider:
      name: openai
      weight: 0.5
"two words": {}
empty: []
...
"""
    document = load(text.encode(), loader=loader)
    assert document.value == {
        "models": [
            {"alias": "small", "provider": {"name": "vllm", "urls": ["http://a:1", "http://b:2"]}},
            {"alias": "large", "provider": {"name": "openai", "weight": 0.5}},
        ],
        "two words": {},
        "empty": [],
    }
    assert dict(document.positions) == {
        (): Position(3, 1),
        ("models",): Position(3, 1),
        ("models", 0): Position(4, 5),
        ("models", 0, "alias"): Position(4, 5),
        ("models", 0, "provider"): Position(5, 5),
        ("models", 0, "provider", "name"): Position(5, 16),
        ("models", 0, "provider", "urls"): Position(5, 28),
        ("models", 0, "provider", "urls", 0): Position(5, 35),
        ("models", 0, "provider", "urls", 1): Position(5, 47),
        ("models", 1): Position(6, 5),
        ("models", 1, "alias"): Position(6, 5),
        ("models", 1, "provider"): Position(8, 5),
        ("models", 1, "provider", "name"): Position(9, 7),
        ("models", 1, "provider", "weight"): Position(10, 7),
        ("two words",): Position(11, 1),
        ("empty",): Position(12, 1),
    }
    assert document.where(("models", 1, "provider", "name")) == "line 9, models[1].provider.name"


def test_where_points_at_the_nearest_place_that_exists() -> None:
    document = load(b"a:\n  b:\n    - x\n'two words': {'a.b': 1}\n")
    assert document.where(()) == "line 1"
    assert document.where(("a", "b", 0)) == "line 3, a.b[0]"
    assert document.where(("a", "b", 7, "name")) == "line 2, a.b[7].name"
    assert document.where(("a", "missing")) == "line 1, a.missing"
    assert document.where(("missing",)) == "line 1, missing"
    assert document.where(("two words", "a.b")) == 'line 4, ["two words"]["a.b"]'


def test_where_shows_a_hostile_key_harmlessly() -> None:
    document = load(b'"\\u202eevil\\u200b\\n": 1\n')
    assert document.where(("\u202eevil\u200b\n",)) == r'line 1, ["\u202eevil\u200b\n"]'


def test_columns_count_characters_and_not_bytes() -> None:
    document = load('{"é😀": 1, b: 2}\n'.encode())
    assert document.positions["b",] == Position(1, 11)


def test_a_document_cannot_be_changed() -> None:
    document = load(b"a: 1\n")
    with pytest.raises(AttributeError):
        document.value = {}  # type: ignore[misc]  # that this is wrong is what is tested
    with pytest.raises(TypeError):
        document.positions[()] = Position(9, 9)  # type: ignore[index]  # likewise


# -- refusals ----------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[bytes, str, str]] = {
    "nothing at all": (b"", "line 1, column 1", "empty"),
    "only a comment": (b"# nothing\n", "line 1, column 1", "empty"),
    "only a document marker": (b"---\n", "line ", "empty"),
    "a second document": (b"a: 1\n---\nb: 2\n", "line 2, column 1", "second document"),
    "not UTF-8": (b"a: 1\nb: \xff\n", "line 2, column 4", "not UTF-8"),
    "a surrogate in UTF-8": (b"a: \xed\xa0\x80\n", "line 1, column 4", "not UTF-8"),
    "an overlong encoding": (b"a: \xc0\xaf\n", "line 1, column 4", "not UTF-8"),
    "Latin-1": ("é: 1\n".encode("latin-1"), "line 1, column 1", "not UTF-8"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "line 1, column 1", "not UTF-8"),
    "UTF-16 without a mark": ("a: 1\n".encode("utf-16-le"), "line 1, column 2", "NUL"),
    "a byte order mark": (b"\xef\xbb\xbfa: 1\n", "line 1, column 1", "byte order mark"),
    "a byte order mark later on": ("a: x\ufeffy\n".encode(), "line 1, column 5", "byte order mark"),
    "NUL": (b"a: x\0y\n", "line 1, column 5", "NUL"),
    "CRLF": (b"a: 1\r\nb: 2\r\n", "line 1, column 5", "carriage return"),
    "CR in a comment": (b"# a\rb: 1\n", "line 1, column 4", "carriage return"),
    "a tab for indentation": (b"a:\n\tb: 1\n", "line 2, column 1", "tab"),
    "an escape sequence": (b"a: \x1b[2Jb\n", "line 1, column 4", r"control character \(U\+001B"),
    "a C1 control": ("a: \x9b\n".encode(), "line 1, column 4", r"U\+009B"),
    "a line separator": ("# x\u2028a: 1\n".encode(), "line 1, column 4", r"U\+2028"),
    "a right-to-left override": ("a: 1 # \u202e}\n".encode(), "line 1, column 8", r"U\+202E"),
    "a %YAML directive": (b"%YAML 1.2\n---\na: 1\n", "line 1, column 1", "directives"),
    "an unknown directive": (b"# x\n%FOO bar\n---\na: 1\n", "line 2, column 1", "directives"),
    "a tag": (b"a: !!str 1\n", "line 1, column 4", "tag"),
    "a tag on a mapping": (b"a: !x {}\n", "line 1, column 4", "tag"),
    "a tag on a list": (b"a: !x []\n", "line 1, column 4", "tag"),
    "a tag on a key": (b"!!str a: 1\n", "line 1, column 1", "tag"),
    "a tag without a name": (b"a: ! x\n", "line 1, column 4", "tag"),
    "a tag on nothing": (b"a: !!null\n", "line 1, column 4", "tag"),
    "a Python object": (b"!!python/object/apply:os.system [id]\n", "line 1, column 1", "tag"),
    "an anchor": (b"a: &x 1\n", "line 1, column 4", "anchor"),
    "an anchor on a mapping": (b"&x a: 1\n", "line 1, column 1", "anchor"),
    "an alias": (b"a: *x\n", "line 1, column 4", "alias"),
    "an alias for a key": (b"*x : 1\n", "line 1, column 1", "alias"),
    "a merge key": (b"a:\n  <<: {b: 1}\n", "line 2, column 3", "merge key"),
    "a duplicate key": (b"a: 1\nb: 2\na: 3\n", "line 3, column 1", "already there, on line 1"),
    "a duplicate key, quoted": (b"{a: 1, 'a': 2}\n", "line 1, column 8", "already there"),
    "a duplicate key, deep": (b"x:\n- y: {z: 1,\n  z: 2}\n", "line 3, column 3", "already there, on line 2"),
    "a number for a key": (b"1: a\n", "line 1, column 1", 'key "1" is not a string'),
    "a bool for a key": (b"true: a\n", "line 1, column 1", "not a string"),
    "nothing for a key": (b"? \n: a\n", "line ", "not a string"),
    "a float for a key": (b"0.5: a\n", "line 1, column 1", "not a string"),
    "a list for a key": (b"[a]: b\n", "line 1, column 1", "keys are strings"),
    "a mapping for a key": (b"? {a: 1}\n: b\n", "line 1, column 3", "keys are strings"),
    "a large integer": (b"a: 9223372036854775808\n", "line 1, column 4", "64 bits"),
    "a small integer": (b"a: -9223372036854775809\n", "line 1, column 4", "64 bits"),
    "a huge integer": (b"a: " + b"9" * 5000 + b"\n", "line 1, column 4", "64 bits"),
    "a huge integer for a key": (b"? " + b"9" * 5000 + b"\n: 1\n", "line 1, column 3", "64 bits"),
    "a number beyond floats": (b"a: 1.0e+999\n", "line 1, column 4", "too large"),
    "an escaped NUL": (rb'a: "\0"' + b"\n", "line 1, column 4", r"U\+0000"),
    "an escaped escape": (rb'a: "\e[2J"' + b"\n", "line 1, column 4", r"U\+001B"),
    "an escaped escape in a key": (rb'"\x9b": 1' + b"\n", "line 1, column 1", r"U\+009B"),
    "half a surrogate pair": (rb'a: "\ud83d"' + b"\n", "line 1, column ", "surrogate|escape|control"),
    "an escape beyond Unicode": (rb'a: "\U00110000"' + b"\n", "line 1, column ", "not valid YAML"),
    "an escape far beyond Unicode": (rb'a: "\UFFFFFFFF"' + b"\n", "line 1, column ", "not valid YAML"),
    "an unknown escape": (rb'a: "\q"' + b"\n", "line 1, column ", "not valid YAML"),
    "brackets that stay open": (b"a: [1, 2\n", "line 2, column 1", "not valid YAML"),
    "a colon too many": (b"a: b: c\n", "line 1, column 5", "not valid YAML"),
    "wrong indentation": (b"a:\n    b: 1\n  c: 2\n", "line 3, column 3", "not valid YAML"),
    "a reserved character": (b"a: @x\n", "line 1, column 4", "not valid YAML"),
    "a comment glued to a block": (b"a: |#x\n  b\n", "line 1, column ", "comment|not valid"),
    "a question mark between brackets": (b"[http://x/?q]\n", "line 1, column ", "question mark|not valid"),
    "a colon glued to a bracket": (b"{a:}\n", "line 1, column ", "colon|not valid"),
}


@both_parsers
@pytest.mark.parametrize(("data", "where", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_is_refused_at_its_place(loader: Any, data: bytes, where: str, words: str) -> None:
    with pytest.raises(YamlRefused, match=words) as caught:
        load(data, loader=loader)
    assert caught.value.code == "yaml_refused"
    assert caught.value.where is not None
    # Where the parsers themselves refuse, they may differ by the column.
    assert caught.value.where == where or (where.endswith(" ") and caught.value.where.startswith(where))
    assert caught.value.message.isprintable()
    assert caught.value.message.endswith(".")


SMALL = Limits(bytes=100, depth=3, nodes=7, scalar=10)
AT_THE_LIMIT = {
    "bytes": (b"a: 1 #" + b"x" * 94, b"a: 1 #" + b"x" * 95, "at most 100"),
    "depth in brackets": (b"[[[1]]]", b"[[[[1]]]]", "deeper than 3"),
    "depth by indentation": (b"a:\n b:\n  c: 1\n", b"a:\n b:\n  c:\n   d: 1\n", "deeper than 3"),
    "nodes in a list": (b"[1, 2, 3, 4, 5, 6]", b"[1, 2, 3, 4, 5, 6, 7]", "More than 7"),
    "nodes in a mapping": (b"{a: 1, b: [2, 3]}", b"{a: 1, b: [2, 3, 4]}", "More than 7"),
    "length of a value": (b"a: 0123456789", b"a: 0123456789a", "longer than 10"),
    "length of a key": (b"0123456789: a", b"0123456789a: a", "longer than 10"),
    "length of a quoted value": (b"a: '0123456789'", b"a: '01234567890'", "longer than 10"),
}


@both_parsers
@pytest.mark.parametrize(("within", "beyond", "words"), AT_THE_LIMIT.values(), ids=AT_THE_LIMIT.keys())
def test_each_limit_is_exact(loader: Any, within: bytes, beyond: bytes, words: str) -> None:
    load(within, limits=SMALL, loader=loader)
    with pytest.raises(YamlRefused, match=words):
        load(beyond, limits=SMALL, loader=loader)


def test_the_limits_are_the_published_ones() -> None:
    assert Limits(bytes=1024 * 1024, depth=16, nodes=50_000, scalar=64 * 1024) == DEFAULT
