"""Sealing the keys in a config's text: only the values change, every other character stays as its author wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.config.model import secret_name
from appliance.config.sealed import Place, is_sealed, seal
from licensing.shown import shown
from media.errors import YamlRefused
from media.strict_yaml import load_named
from media.yaml_document import Document, NodePath


@dataclass(frozen=True, slots=True)
class SealedText:
    """`sealed` and `left` name the entries, by alias and line: those sealed now, those that held no clear key."""

    text: str
    sealed: tuple[str, ...]
    left: tuple[str, ...]


def seal_text(data: bytes, *, file: str, site: str, sealing_key: bytes) -> SealedText:
    """Seals every clear `api_key` under `models`. Raises YamlRefused naming the file, line and column."""
    document = load_named(data, file)
    text = data.decode("utf-8")
    sealed: list[str] = []
    left: list[str] = []
    changes: list[tuple[int, int, str]] = []
    for number, provider, alias in _entries(document):
        path: NodePath = ("models", number, "provider", "api_key")
        value = provider.get("api_key")
        if not isinstance(value, str):
            continue
        name = f"{shown(alias)} ({document.where(path)})"
        if is_sealed(value) or secret_name(value) is not None:
            left.append(name)
            continue
        start, end = document.spans[path]
        changes.append((start, end, seal(value, _place(site, alias, provider), sealing_key)))
        sealed.append(name)
    for start, end, value in reversed(changes):
        text = text[:start] + value + text[end:]
    _require_only_keys_changed(document, load_named(text.encode(), file), file)
    return SealedText(text, tuple(sealed), tuple(left))


def _entries(document: Document) -> list[tuple[int, dict[str, Any], str]]:
    """Entries in the shape of a model; what has another shape is refused where the config is imported."""
    models = document.value.get("models") if isinstance(document.value, dict) else None
    found: list[tuple[int, dict[str, Any], str]] = []
    for number, entry in enumerate(models if isinstance(models, list) else []):
        if isinstance(entry, dict):
            provider, alias = entry.get("provider"), entry.get("alias")
            if isinstance(provider, dict) and isinstance(alias, str):
                found.append((number, provider, alias))
    return found


def _place(site: str, alias: str, provider: dict[str, Any]) -> Place:
    base = provider.get("api_base")
    return Place(site, alias, str(provider.get("name")), base.rstrip("/") if isinstance(base, str) else None)


def _require_only_keys_changed(before: Document, after: Document, file: str) -> None:
    if _without_keys(before) != _without_keys(after):
        raise YamlRefused("A key in this text cannot be replaced without changing more than it.", where=file)


def _without_keys(document: Document) -> object:
    def stripped(value: object) -> object:
        if isinstance(value, dict):
            return {name: None if name == "api_key" else stripped(each) for name, each in value.items()}
        return [stripped(each) for each in value] if isinstance(value, list) else value

    return stripped(document.value)
