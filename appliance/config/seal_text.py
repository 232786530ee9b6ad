"""Sealing the keys in a config's text: only the values change, every other character stays as its author wrote it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from appliance.config.model import Deployment, ProviderNeeds, read_deployments
from appliance.config.sealed import Place, is_clear, seal
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


def seal_text(
    data: bytes,
    *,
    file: str,
    site: str,
    sealing_key: bytes,
    providers: Mapping[str, ProviderNeeds],
    reserved: Collection[str],
) -> SealedText:
    """Seals every clear `api_key` under `models`. Raises YamlRefused, ConfigRefused with the line and key."""
    document = load_named(data, file)
    text = data.decode("utf-8")
    sealed: list[str] = []
    left: list[str] = []
    changes: list[tuple[int, int, str]] = []
    for number, each in enumerate(read_deployments(document, providers, reserved)):
        if each.api_key is None:
            continue
        path: NodePath = ("models", number, "provider", "api_key")
        name = f"{shown(each.alias)} ({document.where(path)})"
        if not is_clear(each.api_key):
            left.append(name)
            continue
        start, end = document.spans[path]
        # The place is taken from what the entry comes to, its row's address filled in: exactly what the site will call.
        changes.append((start, end, seal(each.api_key, place_of(site, each), sealing_key)))
        sealed.append(name)
    for start, end, value in reversed(changes):
        text = text[:start] + value + text[end:]
    _require_only_keys_changed(document, load_named(text.encode(), file), file)
    return SealedText(text, tuple(sealed), tuple(left))


def place_of(site: str, deployment: Deployment) -> Place:
    """What a key of this deployment is bound to."""
    return Place(site, deployment.alias, deployment.provider, deployment.api_base)


def _require_only_keys_changed(before: Document, after: Document, file: str) -> None:
    if _without_keys(before) != _without_keys(after):
        raise YamlRefused("A key in this text cannot be replaced without changing more than it.", where=file)


def _without_keys(document: Document) -> object:
    def stripped(value: object) -> object:
        if isinstance(value, dict):
            return {name: None if name == "api_key" else stripped(each) for name, each in value.items()}
        return [stripped(each) for each in value] if isinstance(value, list) else value

    return stripped(document.value)
