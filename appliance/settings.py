"""Facts of this host: where state lies, where to listen, how many workers. Never policy: policy comes signed.

Read from a small TOML file (`--settings`, `AO_SETTINGS`, else /etc/ao/settings.toml where it exists). A command-line
option beats the environment, which beats the file, which beats the defaults below.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator

from appliance.admin_listen import AdminListen, listen_in
from appliance.errors import SettingsRefused
from appliance.ledger.room import KEEP_FREE_BYTES
from licensing.document import first_fault

SETTINGS_VARIABLE = "AO_GATEWAY_SETTINGS"
"""How `ao serve` hands its settings, as JSON, to the processes it starts."""

DEFAULT_FILE = Path("/etc/ao/settings.toml")


class Settings(BaseModel):
    """`secrets_dir` holds one file per `${NAME}` (systemd's credentials folder works); `workers` are processes; each
    has at most `streams_per_worker` streams under way, and `body_memory_mib` for all large bodies together;
    `metrics_from` are the networks whose hosts may read /metrics; no call is let in while less than `keep_free_mib` is
    free where the state lies; `admin_listen` is where the admin API is: `unix:PATH`, `ADDRESS:PORT` (of this host
    alone) or `none`; left out, a socket by the state.
    With `tls_certificate` (PEM, the signers after it) and `tls_key` (PEM) the gateway speaks TLS alone. With
    `tls_client_ca` (PEM) too, clients are asked for a certificate of one of these authorities: with `tls_client`
    "optional" one without is let in as well; none that `tls_client_crl` (PEM) revokes is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path = Path("/var/lib/ao")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    secrets_dir: Path | None = None
    streams_per_worker: int = Field(default=1000, ge=1, le=100_000)
    body_memory_mib: int = Field(default=512, ge=64, le=1_048_576)
    metrics_from: tuple[IPvAnyNetwork, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    keep_free_mib: int = Field(default=KEEP_FREE_BYTES // 2**20, ge=1, le=1_048_576)
    admin_listen: str | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tls_client_crl: Path | None = None
    tls_client: Literal["required", "optional"] | None = None

    @field_validator("admin_listen")
    @classmethod
    def _is_a_place(cls, written: str | None) -> str | None:
        if written is not None:
            listen_in(written)
        return written

    @model_validator(mode="after")
    def _has_both_halves(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: name both files, or neither")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca asks for clients' certificates, which needs tls_certificate and tls_key")
        if self.tls_client_crl is not None and self.tls_client_ca is None:
            raise ValueError("tls_client_crl revokes certificates of tls_client_ca: name both, or neither")
        if self.tls_client is not None and self.tls_client_ca is None:
            raise ValueError("tls_client says whether a certificate of tls_client_ca is needed: name tls_client_ca too")
        return self

    @property
    def scheme(self) -> str:
        """How a client's base URL begins."""
        return "http" if self.tls_certificate is None else "https"

    @property
    def admin(self) -> AdminListen:
        """Where the admin API listens."""
        return AdminListen.in_folder(self.state_dir) if self.admin_listen is None else listen_in(self.admin_listen)


def chosen_file(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Which file the settings are read from, if any."""
    named = environment.get("AO_SETTINGS")
    chosen = file or (Path(named) if named else None)
    return DEFAULT_FILE if chosen is None and DEFAULT_FILE.is_file() else chosen


def load_settings(file: Path | None, environment: Mapping[str, str], options: Mapping[str, Any]) -> Settings:
    """The settings in force. `options` are command-line values; None means not given. Raises SettingsRefused."""
    chosen = chosen_file(file, environment)
    facts: dict[str, Any] = _read(chosen) if chosen else {}
    for variable, name in (("AO_STATE_DIR", "state_dir"), ("CREDENTIALS_DIRECTORY", "secrets_dir")):
        if environment.get(variable):
            facts[name] = environment[variable]
    facts.update({name: value for name, value in options.items() if value is not None})
    try:
        settings = Settings.model_validate(facts)
    except ValidationError as exc:
        raise SettingsRefused(f"{first_fault(exc)}.", where=str(chosen) if chosen else "settings") from exc
    return settings.model_copy(update={"state_dir": settings.state_dir.absolute()})


def changed(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """With these members instead, where they are not None. Raises SettingsRefused."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings.model_validate(settings.model_dump() | given)
    except ValidationError as exc:
        raise SettingsRefused(f"{first_fault(exc)}.", where="settings") from exc


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingsRefused(f"The file cannot be read: {exc.strerror}.", where=str(file)) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingsRefused(f"The file is not TOML: {exc}.", where=str(file)) from exc
