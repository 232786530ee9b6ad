"""A site with something of everything, and for every route a call that works there."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from nacl.pwhash import argon2id

from appliance.access import sessions
from appliance.access.authorise import Permission
from appliance.access.password import Cost
from appliance.access.roles import Granted
from appliance.admin_api.app import HANDLERS
from appliance.admin_api.routes import PREFIX, Declared, declared_in
from appliance.ledger.seal import Sealed, sealed_files
from appliance.operations.administrators import create_administrator
from appliance.operations.keys import create_key, pause_key
from appliance.operations.roles import define_role
from appliance.operations.service_tokens import create_token
from appliance.operations.teams import make_team
from appliance.operations.usage import seal_now
from appliance.state.site import Site, open_site
from licensing.document import format_time
from tests.appliance.entries import entry, record
from tests.appliance.operations.test_life_papers import ROOTS, token_bytes
from tests.appliance.papers import NOW, config_bytes, entropy, licence_bytes, receipt_bytes, trust_bytes
from tests.appliance.sites import CONSOLE, licensed_site, put_config

ROUTES = tuple(declared_in(HANDLERS))
ANNA, PASSWORD = "anna", "seven horses in a kitchen"
CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)
OWN, OTHER = ("hospital", "ward-3"), ("bank", "desk")
DOCUMENT = {"content-type": "application/octet-stream"}


@dataclass(frozen=True)
class Example:
    """`path` is below the prefix and whole; `more` is what the client is given beside it."""

    path: str
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return PREFIX + self.path


def named(route: Declared) -> str:
    return f"{route.method} {route.path}"


def site_with_everything(folder: Path) -> Path:
    """The state folder."""
    with closing(licensed_site(folder / "state")) as site:
        for org, team in (OWN, OTHER):
            create_key(
                site, name=f"key-of-{org}", org=org, team=team, expires_at=None, now=NOW, entropy=entropy(org, 32)
            )
        create_key(site, name="paused", org=OWN[0], team=OWN[1], expires_at=None, now=NOW, entropy=entropy("p", 32))
        pause_key(site, "paused", "because", NOW)
        make_team(site, "empty", "", NOW)
        make_team(site, OWN[0], "idle", NOW)
        put_config(site, "models:\n  - alias: second\n    provider:\n      name: demo\n", serial=2)
        ended = NOW + timedelta(minutes=30)
        create_administrator(site, ANNA, PASSWORD, [Granted("viewer")], NOW, cost=CHEAP)
        put_session(site, ANNA)
        define_role(site, "unused", "Nobody has it", [Permission.AUDIT_READ], NOW)
        create_token(site, "nightly", [Permission.STATUS_READ], NOW)
        record(site, entry("x1", ended_at=int(ended.timestamp() * 1000)), name="w1")
        seal_now(site, NOW + timedelta(hours=1))
    return folder / "state"


def put_session(site: Site, name: str) -> str:
    """A session that anna has begun; its token."""
    key = site.key.derive(b"ao sessions")
    began = NOW + timedelta(hours=1, minutes=55)
    return sessions.begin(site.database, key, name, "192.0.2.7", began, entropy("session", 32))[1]


def examples(state: Path) -> dict[str, Example]:
    """By the name of the route."""
    with closing(open_site(state, by=CONSOLE)) as site:
        return {
            **_plain(sessions.list_all(site.database)[0].id),
            **_documents(site),
            **_sealed(sealed_files(site.database)[0]),
        }


def _plain(session: str) -> dict[str, Example]:
    team = f"/orgs/{OWN[0]}/teams/{OWN[1]}"
    key = f"/keys/key-of-{OWN[0]}"

    def body(**members: Any) -> dict[str, Any]:
        return {"json": members}

    return {
        "GET /keys": Example("/keys"),
        "POST /keys": Example("/keys", body(name="new", org=OWN[0], team=OWN[1])),
        "GET /keys/{key:str}": Example(key),
        "PATCH /keys/{key:str}": Example(key, body(models=["second"])),
        "POST /keys/{key:str}/pause": Example(f"{key}/pause", body(because="seen in public")),
        "POST /keys/{key:str}/resume": Example("/keys/paused/resume"),
        "POST /keys/{key:str}/rotate": Example(f"{key}/rotate", body(overlap_hours=1)),
        "DELETE /keys/{key:str}": Example(key),
        "GET /keys/{key:str}/used": Example(f"{key}/used"),
        "PATCH /keys/{key:str}/caps": Example(f"{key}/caps", body(rpm=5, cost_day="12.50")),
        "POST /keys/import": Example(
            f"/keys/import?source=csv&org={OWN[0]}&team={OWN[1]}",
            {"content": b"name,key\nimported,sk-0123456789abcdef0123\n", "headers": DOCUMENT},
        ),
        "GET /orgs": Example("/orgs"),
        "POST /orgs": Example("/orgs", body(org="new-org")),
        "GET /orgs/{org:str}": Example(f"/orgs/{OWN[0]}"),
        "PATCH /orgs/{org:str}/caps": Example(f"/orgs/{OWN[0]}/caps", body(rpm=600, expires_at="2027-03-01T00:00:00Z")),
        "DELETE /orgs/{org:str}": Example("/orgs/empty"),
        "GET /teams": Example(f"/teams?org={OWN[0]}"),
        "POST /orgs/{org:str}/teams": Example(f"/orgs/{OWN[0]}/teams", body(team="new-team")),
        "GET /orgs/{org:str}/teams/{team:str}": Example(team),
        "PATCH /orgs/{org:str}/teams/{team:str}/caps": Example(f"{team}/caps", body(networks=["10.0.0.0/8"])),
        "DELETE /orgs/{org:str}/teams/{team:str}": Example(f"/orgs/{OWN[0]}/teams/idle"),
        "GET /licence": Example("/licence"),
        "GET /config": Example("/config"),
        "GET /config/history": Example("/config/history"),
        "POST /config/rollback": Example("/config/rollback", body(serial=1)),
        "GET /trust": Example("/trust"),
        "POST /site-request": Example("/site-request"),
        "GET /usage": Example("/usage"),
        "POST /usage/seal": Example("/usage/seal", body(running=False)),
        "GET /usage/files": Example("/usage/files"),
        "GET /audit": Example("/audit?act=key&since=2026-01-01T00:00:00Z"),
        "GET /audit/verify": Example("/audit/verify"),
        "GET /audit/export": Example("/audit/export"),
        "GET /status": Example("/status"),
        "GET /health": Example("/health"),
        "POST /route/explain": Example("/route/explain", body(alias="second")),
        "GET /route/presets": Example("/route/presets"),
        "GET /providers": Example("/providers?limit=2"),
        "GET /providers/{provider:str}": Example("/providers/bedrock-converse"),
        "GET /openapi.json": Example("/openapi.json"),
        "POST /sessions": Example("/sessions", body(name=ANNA, password=PASSWORD, code="000000")),
        "POST /password": Example(
            "/password", body(name=ANNA, password=PASSWORD, code="000000", new_password="another long sentence")
        ),
        "GET /whoami": Example("/whoami"),
        "DELETE /whoami/session": Example("/whoami/session"),
        "GET /whoami/sessions": Example("/whoami/sessions"),
        "GET /sessions": Example("/sessions"),
        "DELETE /sessions/{session:str}": Example(f"/sessions/{session}"),
        "GET /administrators": Example("/administrators"),
        "POST /administrators": Example(
            "/administrators", body(name="berta", password=PASSWORD, roles=[{"role": "viewer"}])
        ),
        "GET /administrators/{name:str}": Example(f"/administrators/{ANNA}"),
        "POST /administrators/{name:str}/roles": Example(
            f"/administrators/{ANNA}/roles", body(role="team-lead", org=OWN[0], team=OWN[1])
        ),
        "DELETE /administrators/{name:str}/roles/{role:str}": Example(f"/administrators/{ANNA}/roles/viewer"),
        "POST /administrators/{name:str}/disable": Example(f"/administrators/{ANNA}/disable"),
        "POST /administrators/{name:str}/enable": Example(f"/administrators/{ANNA}/enable"),
        "POST /administrators/{name:str}/reset": Example(f"/administrators/{ANNA}/reset", body(password=PASSWORD)),
        "POST /administrators/{name:str}/totp": Example(f"/administrators/{ANNA}/totp"),
        "DELETE /administrators/{name:str}": Example(f"/administrators/{ANNA}"),
        "GET /roles": Example("/roles"),
        "POST /roles": Example("/roles", body(name="auditor", title="Looks", permissions=["audit.read"])),
        "GET /roles/{role:str}": Example("/roles/viewer"),
        "PATCH /roles/{role:str}/networks": Example("/roles/viewer/networks", body(networks=["127.0.0.0/8"])),
        "DELETE /roles/{role:str}": Example("/roles/unused"),
        "GET /tokens": Example("/tokens"),
        "POST /tokens": Example("/tokens", body(name="ci", permissions=["keys.read"], signed=True)),
        "DELETE /tokens/{token:str}": Example("/tokens/nightly"),
    }


def _documents(site: Site) -> dict[str, Example]:
    def carried(path: str, data: bytes) -> Example:
        return Example(path, {"content": data, "headers": DOCUMENT})

    licence = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, serial=2)
    config = config_bytes(serial=3)
    first = sealed_files(site.database)[0]
    receipt = receipt_bytes(
        epoch=site.epoch, seq=first.seq, head=first.digest, accepted_until=format_time(first.period.end)
    )
    return {
        "POST /licence/examine": carried("/licence/examine", licence),
        "POST /licence": carried("/licence", licence),
        "POST /config/examine": carried("/config/examine", config),
        "POST /config": carried("/config", config),
        "POST /trust": carried("/trust", trust_bytes(*ROOTS, serial=2)),
        "POST /time-tokens": carried("/time-tokens", token_bytes(site)),
        "POST /receipts": carried("/receipts", receipt),
    }


def _sealed(first: Sealed) -> dict[str, Example]:
    return {
        "GET /usage/files/{seq:int}": Example(f"/usage/files/{first.seq}"),
        "GET /usage/proofs/{request_id:str}": Example("/usage/proofs/x1"),
    }
