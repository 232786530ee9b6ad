"""Sealing the keys in a config's text: only the values change, every other character stays as its author wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from appliance.config.features import RESERVED
from appliance.config.model import Deployment, read_deployments, read_webhooks_of
from appliance.config.sealed import ANY_PREFIX, MAX_KEY, Place, can_be_sent, seal, secret_name
from appliance.providers.registry import known_needs
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
    """Seals every clear `api_key` under `models`, and every clear `secret` under `webhooks`.

    Raises YamlRefused naming the file, line and key: also where an `api_key` would be left in clear, since whoever
    seals a text believes afterwards that there is none.
    """
    document = load(data, file)
    text = data.decode("utf-8")
    left: list[str] = []
    sealed: list[str] = []
    clear: dict[NodePath, str] = {}
    for path in _keys(document, file):
        if not _is_of_an_entry(path):
            raise _refused("An api_key stands here, where none belongs, so it cannot be sealed.", document, path, file)
        value = str(_at(document.value, path))
        if value.startswith(ANY_PREFIX) or secret_name(value) is not None:
            left.append(_name(document, path))
            continue
        _require_sealable(value, document, path, file)
        clear[path] = value
        sealed.append(_name(document, path))
    values = _sealed_values(document, clear, site, sealing_key, file) if clear else {}
    for path in reversed(values):
        start, end = _span(document, path, text)
        text = text[:start] + values[path] + text[end:]
    _require_only_keys_changed(document, values, text, load, file)
    _require_no_copy(document, values, text, file)
    return SealedText(text, tuple(sealed), tuple(left))


def _sealed_values(
    document: Document, clear: Mapping[NodePath, str], site: str, sealing_key: bytes, file: str
) -> dict[NodePath, str]:
    """Each clear key sealed to what its entry comes to. Raises ConfigRefused where the site would refuse the text."""
    deployments = read_deployments(document, known_needs(), RESERVED)
    webhooks = read_webhooks_of(document, RESERVED)

    def place(path: NodePath) -> Place:
        number = int(path[1])
        return webhooks[number].place(site) if path[0] == "webhooks" else place_of(site, deployments[number])

    return {path: _sealed(value, place(path), sealing_key, document, path, file) for path, value in clear.items()}


def _is_a_webhooks(path: NodePath) -> bool:
    return len(path) == 3 and path[0] == "webhooks" and isinstance(path[1], int) and path[2] == "secret"


def _is_of_an_entry(path: NodePath) -> bool:
    return _is_a_webhooks(path) or (
        len(path) == 4 and path[0] == "models" and isinstance(path[1], int) and path[2] == "provider"
    )


def _name(document: Document, path: NodePath) -> str:
    alias = _at(document.value, (*path[:2],)) if len(path) > 1 else None
    told = alias.get("name" if path[0] == "webhooks" else "alias") if isinstance(alias, dict) else None
    return f"{shown(str(told))} ({document.where(path)})"


def _keys(document: Document, file: str) -> Iterator[NodePath]:
    """Every `api_key` in the text, wherever it stands, in its order; one without a value is none."""
    for path in document.positions:
        if path and (path[-1] == "api_key" or _is_a_webhooks(path)):
            value = _at(document.value, path)
            if isinstance(value, str):
                yield path
            elif value is not None:
                raise _refused(f"The {path[-1]} is a text: put it in quotes.", document, path, file)


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


def place_of(site: str, deployment: Deployment) -> Place:
    """What its key is bound to: the address is the one that the site will call, its row's own filled in."""
    return Place(site, deployment.alias, deployment.provider, deployment.api_base)


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
