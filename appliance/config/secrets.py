"""Where `${NAME}` in a config comes from: a file of that name in the secrets folder, or the host's environment.

A value is looked up when a config is imported and again when a worker takes it up; a missing one is named then, not at
the first request. Values are held in memory only and never shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from appliance.config.model import Deployment
from appliance.config.sealed import DoesNotOpen, Place, Unseal, can_be_sent, is_sealed, secret_name, unseal
from appliance.config.webhooks_part import SECRET_LENGTH, Webhook
from appliance.errors import SealRefused, SecretMissing
from media.errors import MediaError, NotFound
from media.reader import read_document

_LIMIT_BYTES = 16 * 1024

SecretLookup = Callable[[str], str | None]


def host_secrets(environment: Mapping[str, str], folder: Path | None) -> SecretLookup:
    """Looks in the folder first (systemd's credentials), then in the environment.

    A folder that this user may not look into says nothing of what it holds: it keeps nobody from the environment, and
    where the name is not there either, it is the folder that is told of.
    """

    def look_up(name: str) -> str | None:
        given = environment.get(name) or None
        if folder is None or (given is not None and folder.exists() and not os.access(folder, os.X_OK)):
            return given
        return _in_folder(folder / name) or given

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


def secret_names(deployments: Iterable[Deployment], webhooks: Iterable[Webhook]) -> tuple[str, ...]:
    """The NAME of each `${NAME}` that a config asks its host for, in order, each once."""
    written = [each.api_key for each in deployments if each.api_key] + [each.secret for each in webhooks]
    return tuple(dict.fromkeys(name for each in written if (name := secret_name(each)) is not None))


def resolve_keys(
    deployments: Iterable[Deployment], look_up: SecretLookup, site: str, open_box: Unseal
) -> Mapping[str, str]:
    """The provider key of every deployment that has one, by deployment id.

    Raises SecretMissing naming the variable, SealRefused; both with the deployment's id as their place.
    """
    keys: dict[str, str] = {}
    for each in deployments:
        if each.api_key is not None:
            value = _on_one_line(_value(each, each.api_key, look_up, site, open_box))
            if not can_be_sent(value):
                name = secret_name(each.api_key)
                what = (
                    f"The value of ${{{name}}}" if name else "The sealed key" if is_sealed(each.api_key) else "The key"
                )
                raise SecretMissing(f"{what} is empty or has characters that no key has.", where=each.id)
            keys[each.id] = value
    return keys


def resolve_webhook(webhook: Webhook, look_up: SecretLookup, site: str, open_box: Unseal) -> str:
    """What a webhook's calls are signed with. Raises SecretMissing, SealRefused."""
    value = _opened(webhook.secret, webhook.place(site), look_up, open_box, webhook.name)
    if len(value) < SECRET_LENGTH:
        raise SecretMissing(f"The secret has fewer than {SECRET_LENGTH} characters.", where=f"webhook {webhook.name}")
    return value


def _on_one_line(value: str) -> str:
    """A credential that is a JSON file (a service account) without its line ends; anything else as it is."""
    if not value.startswith("{"):
        return value
    try:
        return msgspec.json.format(value, indent=-1)
    except msgspec.DecodeError:
        return value


def _value(each: Deployment, api_key: str, look_up: SecretLookup, site: str, open_box: Unseal) -> str:
    return _opened(api_key, Place(site, each.alias, each.provider, each.api_base), look_up, open_box, each.id)


def _opened(written: str, place: Place, look_up: SecretLookup, open_box: Unseal, where: str) -> str:
    if is_sealed(written):
        try:
            return unseal(written, place, open_box)
        except DoesNotOpen as error:
            raise SealRefused(f"The sealed key does not open here: {error}.", where=where) from error
    name = secret_name(written)
    if name is None:
        return written
    value = look_up(name)
    if value is None:
        raise SecretMissing(f"The config asks for ${{{name}}}, which this host does not provide.", where=where)
    return value
