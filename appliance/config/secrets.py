"""Where `${NAME}` in a config comes from: a file of that name in the secrets folder, or the host's environment.

A value is looked up when a config is imported and again when a worker takes it up; a missing one is named then, not at
the first request. Values are held in memory only and never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from appliance.config.model import Deployment, secret_name
from appliance.errors import SecretMissing
from media.errors import MediaError, NotFound
from media.reader import read_document

_LIMIT_BYTES = 16 * 1024

SecretLookup = Callable[[str], str | None]


def host_secrets(environment: Mapping[str, str], folder: Path | None) -> SecretLookup:
    """Looks in the folder first (systemd's credentials), then in the environment."""

    def look_up(name: str) -> str | None:
        found = _in_folder(folder / name) if folder is not None else None
        return found or environment.get(name) or None

    return look_up


def _in_folder(file: Path) -> str | None:
    """The value in the file; None where there is none. A file that is there and cannot be used is never passed over."""
    try:
        text = read_document(file, limit=_LIMIT_BYTES).decode("utf-8").strip()
    except NotFound:
        return None
    except (MediaError, UnicodeDecodeError) as exc:
        raise SecretMissing("The file of this secret is there and cannot be used.", where=str(file)) from exc
    if not text:
        raise SecretMissing("The file of this secret is empty.", where=str(file))
    return text


def resolve_keys(deployments: Iterable[Deployment], look_up: SecretLookup) -> Mapping[str, str]:
    """The provider key of every deployment that has one, by deployment id. Raises SecretMissing naming the variable."""
    keys: dict[str, str] = {}
    for each in deployments:
        if each.api_key is None:
            continue
        name = secret_name(each.api_key)
        value = each.api_key if name is None else look_up(name)
        if value is None:
            raise SecretMissing(f"The config asks for ${{{name}}}, which this host does not provide.", where=each.id)
        value = _on_one_line(value)
        if not value.isascii() or not value.isprintable():
            raise SecretMissing(f"The value of ${{{name}}} has characters that no key has.", where=each.id)
        keys[each.id] = value
    return keys


def _on_one_line(value: str) -> str:
    """A credential that is a JSON file (a service account) without its line ends; anything else as it is."""
    if not value.startswith("{"):
        return value
    try:
        return msgspec.json.format(value, indent=-1)
    except msgspec.DecodeError:
        return value
