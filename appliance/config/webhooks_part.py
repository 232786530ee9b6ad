"""`webhooks:` in the config: the addresses that are told of events, and no others ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from cryptography.x509 import load_pem_x509_certificates
from pydantic import Field

from appliance.config.part import Part, Seconds
from appliance.config.sealed import ANY_PREFIX, PREFIX, Place, is_sealed, secret_name
from appliance.errors import ConfigRefused
from media.strict_yaml import Document

ADDRESSES: int = 32
SECRET_LENGTH = 16
"""Characters that a secret written in clear has at least. (Others: when they are used.)"""

EventPattern = Annotated[str, Field(pattern=r"^[a-z_*?.]{1,64}$")]


class WebhookPart(Part):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$", max_length=1024)]
    events: list[EventPattern] = Field(default_factory=lambda: ["*"], min_length=1, max_length=64)
    secret: Annotated[str, Field(min_length=1, max_length=8192)]
    ca: Annotated[str, Field(max_length=65_536)] | None = None
    timeout_seconds: Seconds = 10.0
    give_up_days: Annotated[int, Field(ge=1, le=30)] = 3


@dataclass(frozen=True, slots=True)
class Webhook:
    """One address. `secret` is still `${NAME}` or sealed; `ca` holds certificates (PEM) that its own must follow from,
    in place of the host's."""

    name: str
    url: str
    events: tuple[str, ...]
    secret: str = field(repr=False)
    ca: str | None = None
    timeout_seconds: float = 10.0
    give_up_days: int = 3

    def place(self, site: str) -> Place:
        """What its sealed secret is bound to: one that is copied to another address does not open."""
        return Place(site, f"webhook {self.name}", "webhook", self.url)


def read_webhooks(document: Document, parts: Sequence[WebhookPart]) -> tuple[Webhook, ...]:
    """Raises ConfigRefused with line and key."""
    seen: set[str] = set()
    for number, part in enumerate(parts):
        place = ("webhooks", number)
        if part.name in seen:
            raise ConfigRefused(f"There are two webhooks named {part.name!r}.", where=document.where((*place, "name")))
        seen.add(part.name)
        _check_secret(document, (*place, "secret"), part.secret)
        if part.ca is not None:
            _check_ca(document, (*place, "ca"), part.ca)
    return tuple(
        Webhook(part.name, part.url, tuple(part.events), part.secret, part.ca, part.timeout_seconds, part.give_up_days)
        for part in parts
    )


def _check_secret(document: Document, path: tuple[str | int, ...], secret: str) -> None:
    where = document.where(path)
    if secret.startswith(ANY_PREFIX):
        if not is_sealed(secret):
            message = f"This secret was sealed in a way that this release does not know; it knows {PREFIX}…."
            raise ConfigRefused(message, where=where)
    elif "$" in secret:
        if secret_name(secret) is None:
            message = "A secret is either the secret itself or exactly ${NAME}, with NAME in capitals and digits."
            raise ConfigRefused(message, where=where)
    elif len(secret) < SECRET_LENGTH:
        raise ConfigRefused(f"A secret has {SECRET_LENGTH} characters or more.", where=where)


def _check_ca(document: Document, path: tuple[str | int, ...], text: str) -> None:
    try:
        load_pem_x509_certificates(text.encode())
    except ValueError as exc:
        raise ConfigRefused("These are no certificates in PEM.", where=document.where(path)) from exc
