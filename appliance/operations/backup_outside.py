"""What a backup does not hold and a restored site needs as well: facts of the host, and secrets that came to it there.

Promise: names and places only; no secret is looked at for its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.access.authorise import Permission
from appliance.config.in_force import open_config_in_force
from appliance.config.secrets import SecretLookup, secret_names
from appliance.errors import ConfigMissing, SecretMissing
from appliance.operations.needs import needs
from appliance.settings import Settings
from appliance.state.site import Site
from licensing.errors import Refusal

ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Secret:
    """`where` is its file, "environment", or None where this host does not provide it."""

    name: str
    where: str | None


@dataclass(frozen=True, slots=True)
class Outside:
    """`files` are those that the settings name; `secrets` are None where the config in force is not believed here, so
    that nobody knows what it wants."""

    settings: str | None
    files: tuple[str, ...]
    secrets: tuple[Secret, ...] | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "files": list(self.files),
            "secrets": None if self.secrets is None else [asdict(each) for each in self.secrets],
        }

    def lines(self) -> list[str]:
        told = [f"  this host's settings: {self.settings}"] if self.settings else []
        told += [f"  a file that they name: {each}" for each in self.files]
        if self.secrets is None:
            told.append("  secrets: which, cannot be said, because the config in force is not believed now (ao status)")
        for each in self.secrets or ():
            told.append(f"  the secret {each.name}: {each.where or 'not on this host either'}")
        return ["Not in it, and wanted by another host as well:", *told] if told else []


@needs(Permission.HOST_WRITE)
def wanted_secrets(site: Site) -> tuple[str, ...] | None:
    """Those that the config in force asks its host for; None where it is not believed, whatever the reason."""
    try:
        config = open_config_in_force(site, site.trust()).verified.claims
    except ConfigMissing:
        return ()
    except Refusal:
        return None
    return secret_names(config.deployments, config.webhooks)


def outside_of(
    settings: Settings, file: Path | None, names: Sequence[str] | None, environment: Mapping[str, str]
) -> Outside:
    """Where each of those lies on this host."""
    files = (settings.tls_certificate, settings.tls_key, settings.tls_client_ca, settings.tls_client_crl)
    named = [each for each in files if each is not None]
    secrets = [Secret(each, _where(each, settings.secrets_dir, environment)) for each in names or ()]
    return Outside(str(file) if file else None, tuple(map(str, named)), None if names is None else tuple(secrets))


def _where(name: str, folder: Path | None, environment: Mapping[str, str]) -> str | None:
    if folder is not None and (folder / name).is_file():
        return str(folder / name)
    return ENVIRONMENT if environment.get(name) else None


@needs(Permission.HOST_WRITE)
def lacking_secrets(site: Site, look_up: SecretLookup) -> tuple[str, ...] | None:
    """Those of the wanted that this host has not, or not in a form that can be used; None as above."""
    names = wanted_secrets(site)
    return None if names is None else tuple(name for name in names if not _has(look_up, name))


def _has(look_up: SecretLookup, name: str) -> bool:
    try:
        return look_up(name) is not None
    except SecretMissing:
        return False
