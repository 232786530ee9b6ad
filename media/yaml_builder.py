"""From a parser's events to a document, within limits.

The builder keeps its own stack, so depth costs memory that the limits bound and never the interpreter's stack, and it
refuses at the first event that it does not like. What a scalar means is decided here and nowhere else: the parser's own
resolvers and constructors never run.
"""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import Final

import yaml

from licensing.shown import shown
from media.errors import YamlRefused
from media.yaml_document import Document, Limits, NodePath, Position, Value

# Reachable only as an escape between double quotes: raw ones are refused with the text.
_UNWANTED_ESCAPED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# Where the two parsers part ways. Each is refused, so that neither's reading counts.
_GLUED_COMMENT: Final = re.compile("[|>][-+0-9]*#")  # libyaml alone takes "|#" for a block scalar with a comment
_GLUED_COLON: Final = re.compile(r":[,?\[\]{}]")  # Python alone takes "{a:}" for a key without a value
_QUESTION_MARK: Final = "?"  # libyaml alone takes one inside a plain scalar between brackets


class _Mapping:
    """A mapping that has begun and not ended; the next node is a key whenever `key` is None."""

    def __init__(self, flow: bool) -> None:
        self.path: NodePath = ()
        self.flow = flow
        self.value: dict[str, Value] = {}
        self.key: str | None = None
        self.key_at = Position(1, 1)

    def place(self, key: str, value: Value) -> tuple[NodePath, Position]:
        self.value[key] = value
        self.key = None
        return (*self.path, key), self.key_at


class _List:
    """A list that has begun and not ended."""

    def __init__(self, flow: bool) -> None:
        self.path: NodePath = ()
        self.flow = flow
        self.value: list[Value] = []

    def place(self, value: Value) -> NodePath:
        self.value.append(value)
        return (*self.path, len(self.value) - 1)


class Builder:
    """Takes the events in order; `document` hands over what they make."""

    def __init__(self, text: str, limits: Limits) -> None:
        self._text = text
        self._limits = limits
        self._open: list[_Mapping | _List] = []
        self._positions: dict[NodePath, Position] = {}
        self._spans: dict[NodePath, tuple[int, int]] = {}
        self._root: Value = None
        self._nodes = 0
        self._begun = False

    def document(self) -> Document:
        if not self._begun:
            raise YamlRefused("The document is empty.", where="line 1, column 1")
        return Document(self._root, MappingProxyType(self._positions), MappingProxyType(self._spans))

    def take(self, event: yaml.Event) -> None:
        at = _at(event)
        match event:
            case yaml.ScalarEvent():
                self._admit(event, at)
                self._scalar(event, at)
            case yaml.CollectionStartEvent():
                self._admit(event, at)
                self._begin(event, at)
            case yaml.CollectionEndEvent():
                self._open.pop()
            case yaml.AliasEvent():
                raise YamlRefused("An alias (*): write the value out.", where=str(at))
            case yaml.DocumentStartEvent():
                if self._begun:
                    raise YamlRefused("A second document (---): only one is read.", where=str(at))
                self._begun = True

    def _admit(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, at: Position) -> None:
        if event.anchor is not None:
            raise YamlRefused("An anchor (&): write the value out where it is used.", where=str(at))
        if event.tag is not None:
            raise YamlRefused("A tag (!): only plain values are read.", where=str(at))
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            raise YamlRefused(f"More than {self._limits.nodes} values in one document.", where=str(at))

    def _begin(self, event: yaml.CollectionStartEvent, at: Position) -> None:
        if self._mapping_without_key() is not None:
            raise YamlRefused("A key that is a mapping or a list: keys are strings.", where=str(at))
        if len(self._open) >= self._limits.depth:
            raise YamlRefused(f"Nested deeper than {self._limits.depth} levels.", where=str(at))
        flow = bool(event.flow_style)
        frame = _Mapping(flow) if isinstance(event, yaml.MappingStartEvent) else _List(flow)
        frame.path = self._place(frame.value, at)
        self._open.append(frame)

    def _scalar(self, event: yaml.ScalarEvent, at: Position) -> None:
        text = event.value
        plain = not event.style  # None from Python, "" from libyaml
        if len(text) > self._limits.scalar:
            raise YamlRefused(f"A value longer than {self._limits.scalar} characters.", where=str(at))
        if event.style == '"' and (found := _UNWANTED_ESCAPED.search(text)):
            raise YamlRefused(f"An escape for a control character (U+{ord(found.group()):04X}).", where=str(at))
        self._require_undisputed(event, at)
        if plain and not text and not self._open:
            raise YamlRefused("The document is empty.", where=str(at))
        if (mapping := self._mapping_without_key()) is None:
            path = self._place(resolved(text, at) if plain else text, at)
            if event.start_mark is not None and event.end_mark is not None:
                self._spans[path] = (event.start_mark.index, event.end_mark.index)
        else:
            self._key(mapping, text, plain, at)

    def _require_undisputed(self, event: yaml.ScalarEvent, at: Position) -> None:
        if event.start_mark is None or event.end_mark is None:
            return
        if event.style in ("|", ">") and _GLUED_COMMENT.match(self._text, event.start_mark.index):
            raise YamlRefused("A comment needs a space before its #.", where=str(at))
        if not event.style and self._open and self._open[-1].flow:
            if _QUESTION_MARK in event.value:
                raise YamlRefused("A question mark between brackets: put the value in quotes.", where=str(at))
            if _GLUED_COLON.match(self._text, event.end_mark.index):
                raise YamlRefused("A colon between brackets needs a space after it.", where=str(at))

    def _mapping_without_key(self) -> _Mapping | None:
        frame = self._open[-1] if self._open else None
        return frame if isinstance(frame, _Mapping) and frame.key is None else None

    def _key(self, mapping: _Mapping, key: str, plain: bool, at: Position) -> None:
        if plain and key == "<<":
            raise YamlRefused("A merge key (<<): write the entries out.", where=str(at))
        if plain and not isinstance(resolved(key, at), str):
            raise YamlRefused(f'The key "{shown(key)}" is not a string: put it in quotes.', where=str(at))
        if key in mapping.value:
            first = self._positions[(*mapping.path, key)].line
            raise YamlRefused(f'The key "{shown(key)}" is already there, on line {first}.', where=str(at))
        mapping.key, mapping.key_at = key, at

    def _place(self, value: Value, at: Position) -> NodePath:
        frame = self._open[-1] if self._open else None
        path: NodePath = ()
        if frame is None:
            self._root = value
        elif isinstance(frame, _List):
            path = frame.place(value)
        elif frame.key is not None:
            path, at = frame.place(frame.key, value)
        self._positions[path] = at
        return path


def _at(event: yaml.Event) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)


# -- what a plain scalar means -----------------------------------------------------------------------------------------

_WORDS: Final = MappingProxyType({"": None, "~": None, "null": None, "true": True, "false": False})
_INT: Final = re.compile("-?(?:0|[1-9][0-9]*)")
# The shape that both YAML 1.1 and 1.2 call a float: with a point, and a signed exponent.
_FLOAT: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?")
_INT_DIGITS: Final = 20  # of the longest 64-bit integer, with its sign


def resolved(text: str, at: Position) -> Value:
    """The value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        # The length first: converting a long row of digits takes time, and Python refuses the longest.
        if len(text) > _INT_DIGITS or not -(2**63) <= (number := int(text)) < 2**63:
            raise YamlRefused("An integer beyond 64 bits: put it in quotes if it is a name.", where=str(at))
        return number
    if _FLOAT.fullmatch(text):
        if not math.isfinite(value := float(text)):
            raise YamlRefused("A number too large to hold.", where=str(at))
        return value
    return text
