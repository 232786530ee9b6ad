"""Sealing the keys in a config's text: only the values change, every other character stays as its author wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from appliance.config.model import secret_name
from appliance.config.sealed import ANY_PREFIX, MAX_KEY, Place, can_be_sent, seal
from licensing.shown import shown
from media.errors import YamlRefused
from media.strict_yaml import load_named
from media.yaml_document import Document, NodePath, Value

Reader: TypeAlias = Callable[[bytes, str], Document]

_TELLING: Final = 8
"""Characters from which on a key that is found elsewhere is no chance."""


@dataclass(frozen=True, slots=True)
class SealedText:
    """`sealed` and `left` name the entries, by alias and line: those sealed now, those that held no clear key."""

    text: str
    sealed: tuple[str, ...]
    left: tuple[str, ...]


def seal_text(data: bytes, *, file: str, site: str, sealing_key: bytes, load: Reader = load_named) -> SealedText:
    """Seals every clear `api_key` under `models`.

    Raises YamlRefused naming the file, line and key: also where an `api_key` would be left in clear, since whoever
    seals a text believes afterwards that there is none.
    """
    document = load(data, file)
    text = data.decode("utf-8")
    entries = _entries(document)
    values: dict[NodePath, str] = {}
    left: list[str] = []
    sealed: list[str] = []
    for path in _keys(document, file):
        if path not in entries:
            raise _refused("An api_key stands here, where none belongs, so it cannot be sealed.", document, path, file)
        provider, alias = entries[path]
        value = provider["api_key"]
        name = f"{shown(alias)} ({document.where(path)})"
        if value.startswith(ANY_PREFIX) or secret_name(value) is not None:
            left.append(name)
            continue
        _require_sealable(value, document, path, file)
        values[path] = _sealed(value, _place(site, alias, provider), sealing_key, document, path, file)
        sealed.append(name)
    for path in reversed(values):
        start, end = _span(document, path, text)
        text = text[:start] + values[path] + text[end:]
    _require_only_keys_changed(document, values, text, load, file)
    _require_no_copy(document, values, text, file)
    return SealedText(text, tuple(sealed), tuple(left))


def _keys(document: Document, file: str) -> Iterator[NodePath]:
    """Every `api_key` in the text, wherever it stands, in its order; one without a value is none."""
    for path in document.positions:
        if path and path[-1] == "api_key":
            value = _at(document.value, path)
            if isinstance(value, str):
                yield path
            elif value is not None:
                raise _refused("An api_key is a text: put it in quotes.", document, path, file)


def _at(value: Value, path: NodePath) -> Value:
    for step in path:
        value = value[step]  # type: ignore[index]  # the path is one of this document's
    return value


def _span(document: Document, path: NodePath, text: str) -> tuple[int, int]:
    """Where the value stands; of a block of lines not the line end after it."""
    start, end = document.spans[path]
    return start, start + len(text[start:end].rstrip())


def _require_sealable(value: str, document: Document, path: NodePath, file: str) -> None:
    """Within the seal nobody sees any more what is wrong with a key."""
    if "$" in value:
        message = "An api_key is either the key itself or exactly ${NAME}, with NAME in capitals, digits, underscores."
        raise _refused(message, document, path, file)
    if not can_be_sent(value):
        raise _refused("This key is empty or has characters that no key has.", document, path, file)
    if len(value) > MAX_KEY:
        raise _refused(f"This key has more than {MAX_KEY} characters.", document, path, file)


def _sealed(value: str, place: Place, sealing_key: bytes, document: Document, path: NodePath, file: str) -> str:
    try:
        return seal(value, place, sealing_key)
    except ValueError as error:
        message = "The alias, provider or address beside this key has a line break."
        raise _refused(message, document, path, file) from error


def _refused(message: str, document: Document, path: NodePath, file: str) -> YamlRefused:
    remedy = "Correct the text at the place named and seal it again; nothing was written."
    return YamlRefused(message, where=f"{file}, {document.where(path)}", remedy=remedy)


def _entries(document: Document) -> Mapping[NodePath, tuple[dict[str, Any], str]]:
    """Provider and alias of each entry in the shape of a model, by the place where its key would stand."""
    models = document.value.get("models") if isinstance(document.value, dict) else None
    found: dict[NodePath, tuple[dict[str, Any], str]] = {}
    for number, entry in enumerate(models if isinstance(models, list) else []):
        if isinstance(entry, dict):
            provider, alias = entry.get("provider"), entry.get("alias")
            if isinstance(provider, dict) and isinstance(alias, str):
                found["models", number, "provider", "api_key"] = (provider, alias)
    return found


def _place(site: str, alias: str, provider: dict[str, Any]) -> Place:
    base = provider.get("api_base")
    return Place(site, alias, str(provider.get("name")), base.rstrip("/") if isinstance(base, str) else None)


def _require_only_keys_changed(
    before: Document, values: Mapping[NodePath, str], text: str, load: Reader, file: str
) -> None:
    """Read again, the text says what it said before, with the sealed values in their places."""
    if load(text.encode(), file).value != _with(before.value, values, ()):
        raise YamlRefused("A key in this text cannot be replaced without changing more than it.", where=file)


def _with(value: Value, values: Mapping[NodePath, str], path: NodePath) -> Value:
    if isinstance(value, dict):
        return {name: _with(each, values, (*path, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_with(each, values, (*path, number)) for number, each in enumerate(value)]
    return values.get(path, value)


def _require_no_copy(before: Document, values: Mapping[NodePath, str], text: str, file: str) -> None:
    """A key that was sealed stands nowhere else: in a comment, as a tag, as part of an address."""
    for path in values:
        key = str(_at(before.value, path))
        if len(key) >= _TELLING and (found := text.find(key)) >= 0:
            line = text.count("\n", 0, found) + 1
            message = f"The key of {before.where(path)} stands in clear on line {line} of the sealed text as well."
            raise YamlRefused(message, where=file, remedy="Take it out there and seal again; nothing was written.")
