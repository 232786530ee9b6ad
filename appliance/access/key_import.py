"""Keys of other gateways, read from what those export (pure): LiteLLM's key list, one-api's tokens, a CSV.

Apps keep the keys that they have. LiteLLM keeps no more of a key than its SHA-256, and that is enough (access/keys.py).
What an export says of a key and is not taken over is told by name, never dropped in silence.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.access.keys import ForeignKey, models_in, networks_in
from appliance.errors import KeyRefused
from licensing.document import first_fault

Source = Literal["litellm", "one-api", "csv"]
SOURCES: tuple[Source, ...] = get_args(Source)
LIMIT_BYTES = 32 * 1024 * 1024
SHORTEST_KEY = 16
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EVERY_MODEL = frozenset({"all-team-models", "all-proxy-models", "*"})
_LITELLM_CAPS = ("max_budget", "budget_duration", "rpm_limit", "tpm_limit", "max_parallel_requests", "model_max_budget")
_CSV_COLUMNS = frozenset({"name", "key", "sha256", "org", "team", "expires", "models", "networks", "paused"})
_ONE_API_STATES = {2: "disabled in one-api", 3: "expired in one-api", 4: "quota used up in one-api"}


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """`notes` say, a line each, what is not taken over as it was."""

    keys: tuple[ForeignKey, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Home:
    """Where keys go whose export names no organisation or team."""

    org: str
    team: str


class _LiteLLM(BaseModel):
    model_config = ConfigDict(extra="allow")

    token: str
    key_alias: str | None = None
    key_name: str | None = None
    team_id: str | None = None
    team_alias: str | None = None
    models: list[str] | None = None
    expires: datetime | None = None
    blocked: bool | None = None


class _OneApi(BaseModel):
    model_config = ConfigDict(extra="allow")

    key: str
    name: str | None = None
    user_id: int | str | None = None
    status: int = 1
    expired_time: int = -1
    models: str | None = None
    subnet: str | None = None
    unlimited_quota: bool = False
    remain_quota: int = 0


def read_keys(data: bytes, source: Source, home: Home, now: datetime, *, file: str) -> Found:
    """Every key in an export. Raises KeyRefused with the file and the key's number, and takes nothing then."""
    rows = _rows(data, source, file)
    keys: list[ForeignKey] = []
    notes: list[str] = []
    for number, row in enumerate(rows, 1):
        where = f"{file}, key {number}"
        try:
            key, said = _READERS[source](row, home)
        except ValidationError as exc:
            raise KeyRefused(f"This is no key as {source} writes one: {first_fault(exc)}.", where=where) from exc
        except KeyRefused as exc:
            raise KeyRefused(exc.message, where=where, remedy=exc.remedy) from exc
        notes += [f"{key.name}: {each}" for each in said]
        if key.expires_at is not None and key.expires_at <= now:
            notes.append(f"{key.name}: has expired, and is left out")
            continue
        keys.append(key)
    if not keys and not notes:
        raise KeyRefused("There is no key in this file.", where=file)
    return Found(tuple(keys), tuple(notes))


def _rows(data: bytes, source: Source, file: str) -> list[dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise KeyRefused("The file is not UTF-8.", where=file) from exc
    if source == "csv" or not text.lstrip().startswith(("{", "[")):
        if source == "litellm":
            raise KeyRefused("LiteLLM's export is JSON: what /key/list?return_full_object=true answers.", where=file)
        return _table(text, source, file)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise KeyRefused("The file is not JSON.", where=file) from exc
    if isinstance(told, dict):
        told = next((told[name] for name in ("keys", "data", "tokens") if name in told), None)
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        raise KeyRefused("The file holds no list of keys.", where=file)
    return told


def _table(text: str, source: Source, file: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text), restkey="")
    try:
        columns = [name.strip() for name in reader.fieldnames or []]
    except csv.Error as exc:
        raise KeyRefused(f"The file is no table: {exc}.", where=f"{file}, line 1") from exc
    if source == "csv":
        odd = sorted(set(columns) - _CSV_COLUMNS)
        if odd or "name" not in columns or not {"key", "sha256"} & set(columns):
            told = f"there is no column {odd[0][:64]!r}" if odd else "name, and key or sha256, are needed"
            raise KeyRefused(f"The first line names the columns: {told}.", where=f"{file}, line 1")
    reader.fieldnames = columns
    rows: list[dict[str, Any]] = []
    try:
        for row in reader:
            if "" in row or None in row.values():
                raise KeyRefused(
                    "This line has more or fewer fields than the first.", where=f"{file}, key {len(rows) + 1}"
                )
            rows.append({name: value.strip() for name, value in row.items() if value.strip()})
    except csv.Error as exc:
        raise KeyRefused(f"The file is no CSV: {exc}.", where=file) from exc
    return rows


def _litellm(row: Mapping[str, Any], home: Home) -> tuple[ForeignKey, list[str]]:
    told = _LiteLLM.model_validate(row)
    hashed = _SHA256.fullmatch(told.token)
    team = told.team_alias or told.team_id or home.team
    models = [each for each in told.models or [] if each not in _EVERY_MODEL]
    key = ForeignKey(
        name=told.key_alias or told.key_name or told.token[:12],
        org=home.org,
        team=team,
        secret=None if hashed else _long_enough(told.token),
        sha256=told.token if hashed else None,
        shown=told.key_name or _shown(told.token),
        expires_at=_in_utc(told.expires) if told.expires else None,
        paused_because="blocked in LiteLLM" if told.blocked else None,
        models=models_in(models) if models else None,
    )
    extra = told.model_extra or {}
    return key, [f"{name} {extra[name]} is not taken over" for name in _LITELLM_CAPS if extra.get(name)]


def _one_api(row: Mapping[str, Any], home: Home) -> tuple[ForeignKey, list[str]]:
    told = _OneApi.model_validate(row)
    secret = _long_enough(told.key if told.key.startswith("sk-") else f"sk-{told.key}")
    models, networks = _listed(told.models, ","), _listed(told.subnet, ",")
    if told.status != 1 and told.status not in _ONE_API_STATES:
        raise KeyRefused(f"The status {told.status} is none that one-api has.")
    key = ForeignKey(
        name=told.name or _shown(secret),
        org=home.org,
        team=home.team if told.user_id is None else f"user-{told.user_id}",
        secret=secret,
        sha256=None,
        shown=_shown(secret),
        expires_at=datetime.fromtimestamp(_sane(told.expired_time), UTC) if told.expired_time > 0 else None,
        paused_because=_ONE_API_STATES.get(told.status),
        models=models_in(models) if models else None,
        networks=networks_in(networks) if networks else None,
    )
    return key, [] if told.unlimited_quota else [f"remain_quota {told.remain_quota} is not taken over"]


def _csv(row: Mapping[str, Any], home: Home) -> tuple[ForeignKey, list[str]]:
    secret, sha256 = row.get("key"), str(row.get("sha256", "")).lower()
    if (secret is None) == (not sha256):
        raise KeyRefused("A line has either a key or its sha256.")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise KeyRefused("sha256 has 64 hexadecimal digits.")
    models, networks = _listed(row.get("models"), ";"), _listed(row.get("networks"), ";")
    key = ForeignKey(
        name=row.get("name", ""),
        org=row.get("org", home.org),
        team=row.get("team", home.team),
        secret=_long_enough(secret) if secret else None,
        sha256=sha256 or None,
        shown=_shown(secret or sha256),
        expires_at=_time(row["expires"]) if "expires" in row else None,
        paused_because=row.get("paused"),
        models=models_in(models) if models else None,
        networks=networks_in(networks) if networks else None,
    )
    return key, []


_READERS = {"litellm": _litellm, "one-api": _one_api, "csv": _csv}


def _long_enough(secret: str) -> str:
    if len(secret) < SHORTEST_KEY or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise KeyRefused(f"A key has at least {SHORTEST_KEY} printable ASCII characters and no blank.")
    return secret


def _shown(secret: str) -> str:
    """As much as may be seen of it: never a quarter of a key."""
    return f"sha256:{secret[:8]}" if _SHA256.fullmatch(secret) else secret[: min(7, len(secret) // 4)]


def _listed(text: str | None, separator: str) -> list[str]:
    return [each.strip() for each in (text or "").split(separator) if each.strip()]


def _time(text: str) -> datetime:
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError as exc:
        raise KeyRefused(f"{text[:40]!r} is no date such as 2027-06-30.") from exc


def _in_utc(at: datetime) -> datetime:
    return (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)).replace(microsecond=0)


def _sane(seconds: int) -> int:
    if seconds >= 2**36:
        raise KeyRefused("expired_time is no time in seconds.")
    return seconds
