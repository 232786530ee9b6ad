"""What an operator answers once: where to listen, with how many processes, and which networks may be met.

Promise: pure; the text of an answers file in, a frozen value or AnswerRefused out. The file is TOML; the installation
reads its table `[install]` and leaves every other one to whoever it is for (the first-run wizard).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, field_validator

from installer.errors import AnswerRefused
from licensing.document import first_fault

LIMIT_BYTES = 64 * 1024
PRIVATE: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("fc00::/7"),
)
"""Where nothing is answered: networks that no public address is in. (This host itself is always allowed.)"""


class Answers(BaseModel):
    """`allow` are the networks of clients and of model servers: systemd lets the gateway's packets go nowhere else.
    `start`: start the gateway at the end, where the state says that it may serve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    allow: tuple[IPvAnyNetwork, ...] = PRIVATE
    start: bool = True

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return str(ip_address(value))


def read_answers(text: str, *, where: str) -> Answers:
    """The table `[install]` of an answers file. Raises AnswerRefused."""
    try:
        found: Mapping[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise AnswerRefused(f"The answers are not TOML: {exc}.", where=where) from exc
    table = found.get("install", {})
    if not isinstance(table, dict):
        raise AnswerRefused("[install] is not a table.", where=where)
    try:
        return Answers.model_validate(table)
    except ValidationError as exc:
        raise AnswerRefused(f"[install] {first_fault(exc)}.", where=where) from exc
