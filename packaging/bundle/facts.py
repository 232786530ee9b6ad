"""facts.json: what a release says of itself to whoever installs it, upgrades to it or returns to it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

NAME = "facts.json"
ARCHITECTURES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Schemas:
    """The highest migration of the state database that the release brings, and the schema of signed documents."""

    state: int
    documents: int


@dataclass(frozen=True)
class Facts:
    """`upgrades_from`: the oldest version whose state this release can take over. `built_at`: UTC, RFC 3339."""

    version: str
    arch: str
    built_at: str
    upgrades_from: str
    schemas: Schemas
    glibc: str
    python: str

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def state_schema(lib: Path) -> int:
    """The number of the last migration in the tree: what the state's schema will be once this release has run."""
    return max(int(each.name.partition("_")[0]) for each in (lib / "appliance/state/migrations").glob("[0-9]*_*.sql"))


def read_facts(tree: Path) -> Facts:
    text = json.loads((tree / NAME).read_text("utf-8"))
    return Facts(**{**text, "schemas": Schemas(**text["schemas"])})
