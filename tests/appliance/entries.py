"""Lines of a journal, and segments as a worker would have left them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from appliance.ledger.entry import Begun, Entry, Line, Outcome
from appliance.ledger.journal import SUFFIX, Journal
from appliance.state.site import Site
from tests.appliance.papers import NOW

NOON = int(NOW.timestamp() * 1000)


def begun(name: str, *, started_at: int = NOON, **changes: Any) -> Begun:
    usual: dict[str, Any] = {
        "id": name,
        "started_at": started_at,
        "org": "hospital",
        "team": "ward-3",
        "key": "key_000000000001",
        "model": "chat",
        "endpoint": "chat/completions",
        "licence_serial": 1,
        "config_serial": 1,
        "estimated_prompt_tokens": 7,
    }
    return Begun(**(usual | changes))


def entry(name: str, *, ended_at: int = NOON, **changes: Any) -> Entry:
    usual: dict[str, Any] = {
        "id": name,
        "started_at": ended_at - 250,
        "ended_at": ended_at,
        "org": "hospital",
        "team": "ward-3",
        "key": "key_000000000001",
        "model": "chat",
        "endpoint": "chat/completions",
        "provider": "demo",
        "deployment": "chat#0",
        "outcome": Outcome.COMPLETE,
        "status": 200,
        "attempts": 1,
        "prompt_tokens": 11,
        "completion_tokens": 5,
        "cached_tokens": 2,
        "estimated_prompt_tokens": 0,
        "estimated_completion_tokens": 0,
        "latency_ms": 250,
        "first_token_ms": 30,
        "licence_serial": 1,
        "config_serial": 1,
    }
    return Entry(**(usual | changes))


def line_bytes(line: Line) -> bytes:
    data = msgspec.json.encode(line)
    return b"%08x %b\n" % (zlib.crc32(data), data)


def write_segment(folder: Path, name: str, lines: Iterable[Line]) -> Path:
    """A whole segment whose writer is gone."""
    file = folder / f"{name}{SUFFIX}"
    file.write_bytes(b"".join(line_bytes(line) for line in lines))
    return file


def record(site: Site, *entries: Entry, name: str) -> None:
    """These exchanges, begun and ended by a worker that has gone since."""
    journal = Journal(site.journal_folder, name)
    for each in entries:
        journal.begin(begun(each.id, started_at=each.started_at))
        journal.end(each)
    journal.close()


def outcomes(site: Site) -> dict[str, str]:
    """What the ledger says of each exchange."""
    rows = site.database.execute("SELECT id, outcome FROM ledger ORDER BY id").fetchall()
    return {row["id"]: row["outcome"] for row in rows}


def lines_in(segment: Path) -> list[Line]:
    """Every whole line of a segment, read without the product's reader."""
    decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
    whole = segment.read_bytes().split(b"\n")[:-1]
    return [decoder.decode(raw[9:]) for raw in whole if raw[:8] == b"%08x" % zlib.crc32(raw[9:])]
