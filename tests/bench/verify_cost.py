"""`python -m tests.bench.verify_cost`: what believing costs. One judgement of a site, one snapshot of a worker, one
verified envelope; medians, in milliseconds, on a real state folder."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

from appliance.access.keys import KEY_PREFIX
from appliance.gateway.snapshot import take_snapshot
from appliance.operations.trust import import_trust
from appliance.state.database import transaction
from appliance.state.site import Site
from appliance.state.standing import judge_site
from licensing.document import PAYLOAD_TYPES, format_time
from licensing.envelope import parse, verify
from tests.appliance.papers import NOW, licence_bytes, trust_bytes
from tests.appliance.sites import any_secret, licensed_site, on_stick
from tests.licensing.documents import key

MANY = 200
KEYS = (1, 1_000, 10_000)
VERSIONS = (1, 5, 20)


def milliseconds(act: Callable[[], object], times: int = MANY) -> float:
    """The median of so many, after one that warms up."""
    act()
    taken = []
    for _ in range(times):
        start = time.perf_counter_ns()
        act()
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return median(taken)


def follow_to(site: Site, version: int) -> None:
    """Brings the site's trust to this version; only the date of each is another."""
    for serial in range(site.trust().serial + 1, version + 1):
        import_trust(site, [on_stick(site, "trust.json", trust_bytes(serial=serial))], NOW)


def fill_keys(site: Site, count: int) -> None:
    """API keys as they lie in the state; written at once, because making each takes a commit of its own."""
    have = site.database.execute("SELECT COUNT(*) FROM api_keys").fetchone()[0]
    rows = [
        (
            f"key_{number:012x}", f"{KEY_PREFIX}{number:08x}", hashlib.sha256(b"%d" % number).digest(), f"key {number}",
            "hospital", "ward-3", format_time(NOW), format_time(NOW + timedelta(days=365)),
        )
        for number in range(have, count)
    ]  # fmt: skip
    with transaction(site.database) as db:
        db.executemany(
            "INSERT INTO api_keys (id, prefix, hash, name, org, team, created_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )


def lines() -> list[str]:
    """The figures, a row of a Markdown table each."""
    found: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="verify-cost-") as folder:
        site = licensed_site(Path(folder) / "state")
        data = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch)
        signer = [key("licence-1").public_key]

        def verify_envelope() -> object:
            return verify(parse(data), payload_type=PAYLOAD_TYPES["licence"], keys=signer, threshold=1)

        found.append(("one envelope verified (Ed25519, one signature)", milliseconds(verify_envelope)))
        for count in KEYS:
            fill_keys(site, count)
            taken = milliseconds(lambda: take_snapshot(site, any_secret, NOW), MANY if count < 10_000 else MANY // 10)
            found.append((f"one snapshot of a worker, {count:,} API keys", taken))
        for version in VERSIONS:
            follow_to(site, version)
            taken = milliseconds(lambda: judge_site(site, site.trust(), NOW))
            found.append((f"one judgement of the licence, trust version {version}", taken))
        site.close()
    return ["| what | ms |", "| --- | --- |", *(f"| {what} | {taken:.2f} |" for what, taken in found)]


def append_to(report: Path) -> None:
    """Says the figures, and adds them to a report that is there."""
    text = "\n" + "\n".join(["# What believing costs", "", *lines()]) + "\n"
    print(text, end="")
    with report.open("a", encoding="utf-8") as stream:
        stream.write(text)


def main() -> None:
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
