"""YAML reduced to what a config needs, read without trust and without surprise.

Promises: `load` returns plain values with the place of every node, or raises `YamlRefused` with the place of the first
thing that it refuses, and nothing else. It works through the parser's events with a stack of its own, so nothing in
the document can recurse, construct, refer or expand. libyaml and the pure-Python parser give the same document. No
string returned holds a control character other than tab, line feed and carriage return.

Refused: what is not UTF-8 with LF line ends (a byte order mark, NUL and other controls, tabs, CR), marks that turn the
reading direction (an officer reads this file at the gate), `%` directives, tags, anchors, aliases, merge keys,
duplicate keys, keys that are not strings, an empty document, a second document, and more than the limits allow.

A plain scalar is a bool for `true` and `false`, None for `null`, `~` and nothing, an int or float for a plain decimal
(`12`, `-3`, `0.5`, `1.0e+9`), and otherwise the string that it looks like: `yes`, `on`, `0123`, `12:30:00`, `1_000` and
dates stay strings. Follows formats.md, "Reading foreign media".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import yaml

from licensing.shown import shown
from media.errors import YamlRefused
from media.yaml_builder import Builder
from media.yaml_document import Document, Limits, NodePath, Position, Value

__all__ = ["DEFAULT", "FASTEST", "Document", "Limits", "NodePath", "Position", "Value", "load", "load_named"]

DEFAULT: Final = Limits()

# libyaml is some ten times faster; without it the same events come from Python.
FASTEST: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Beside the controls: what only some parsers take for a line break (NEL, U+2028, U+2029), what turns the reading
# direction, and what some parsers drop or refuse (U+FEFF, U+FFFE, U+FFFF).
_UNWANTED: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "\t": "A tab: indent with spaces, and write \\t between double quotes where a tab is meant.",
        "\r": "A carriage return: save the file with LF line ends.",
        "\x00": "A NUL character: this is not a text file in UTF-8.",
        "\ufeff": "A byte order mark: save the file as UTF-8 without one.",
    }
)
# Unknown directives leave no event behind, so they are looked for in the text. This also refuses a line of a scalar
# that begins with %, on which the two parsers do not agree.
_DIRECTIVE: Final = re.compile("^%", re.MULTILINE)


def load(data: bytes, *, limits: Limits = DEFAULT, loader: Any = FASTEST) -> Document:
    """The one document in `data`. Raises `YamlRefused`, and nothing else, whatever the bytes are."""
    text = _text(data, limits)
    builder = Builder(text, limits)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The pure-Python parser lets chr() complain about an escape beyond Unicode, such as "\UFFFFFFFF".
        raise YamlRefused("This is not valid YAML.", where="line 1, column 1") from error
    return builder.document()


def load_named(data: bytes, file: str) -> Document:
    """As `load`, for a text that its author is about to sign: a refusal names the file as well, and what to do."""
    try:
        return load(data)
    except YamlRefused as error:
        where = f"{file}, {error.where}" if error.where else file
        remedy = "Correct the file at the place named and sign it again; nothing was signed."
        raise YamlRefused(error.message, where=where, remedy=remedy) from error


def _text(data: bytes, limits: Limits) -> str:
    if len(data) > limits.bytes:
        message = f"The document has {len(data)} bytes; at most {limits.bytes} are read."
        raise YamlRefused(message, where="line 1, column 1")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        raise YamlRefused("The bytes are not UTF-8.", where=str(_end_of(before))) from error
    if found := _UNWANTED.search(text):
        character = found.group()
        message = _WORDS.get(character, f"A control character (U+{ord(character):04X}).")
        raise YamlRefused(message, where=str(_end_of(text[: found.start()])))
    if found := _DIRECTIVE.search(text):
        message = "A line that begins with %: directives are not read."
        raise YamlRefused(message, where=str(_end_of(text[: found.start()])))
    return text


def _end_of(before: str) -> Position:
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _not_yaml(error: yaml.MarkedYAMLError) -> YamlRefused:
    mark = error.problem_mark or error.context_mark
    at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    return YamlRefused(f"This is not valid YAML: {shown(reason, 200)}.", where=str(at))
