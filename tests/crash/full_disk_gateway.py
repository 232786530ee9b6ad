"""A whole gateway on a disk that fills up, and has room again: prints, as JSON, what a caller was told at each stage.

`python -m tests.crash.full_disk_gateway FOLDER`, with FOLDER on a small filesystem of its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from appliance.ledger.store import take_in
from appliance.state.site import open_site
from tests.appliance.gateways import Gateway
from tests.appliance.papers import DEMO_MODELS

KEEP_FREE_MIB = 4


def told(gateway: Gateway) -> dict[str, Any]:
    reply = gateway.post("chat")
    ready = httpx.get(gateway.url + "/readyz", trust_env=False)
    error = reply.json().get("error") or {}
    return {
        "status": reply.status_code,
        "code": error.get("code"),
        "message": error.get("message"),
        "ready": ready.status_code,
        "why": ready.json().get("code"),
        "id": reply.headers["x-request-id"],
    }


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


def fill(folder: Path) -> None:
    """To the last byte that an ordinary write gets."""
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        for size in (64 * 1024, 4096, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


def main() -> None:
    folder = Path(sys.argv[1])
    settings = folder / "settings.toml"
    settings.write_text(f"keep_free_mib = {KEEP_FREE_MIB}\n")
    os.environ["AO_SETTINGS"] = str(settings)
    gateway = Gateway(folder, DEMO_MODELS)
    gateway.start()
    try:
        stages = [told(gateway)]
        fill(folder)
        until(lambda: gateway.post("chat").status_code != 200)
        stages += [told(gateway) for _ in range(3)]
        (folder / "ballast").unlink()
        until(lambda: gateway.post("chat").status_code == 200)
        stages.append(told(gateway))
    finally:
        stopped = gateway.stop()
    with closing(open_site(gateway.state)) as site:
        take_in(site.database, site.journal_folder, site.created_at)
        rows = {row["id"]: row["outcome"] for row in site.database.execute("SELECT id, outcome FROM ledger")}
    print(json.dumps({"stages": stages, "rows": rows, "stopped": stopped, "said": gateway.stderr.read_text()[-2000:]}))


if __name__ == "__main__":
    main()
