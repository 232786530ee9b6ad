"""`python -m tests.bench.report_picture`: a billing report of a made-up month, as a real browser shows it (page.png)
and prints it (page.pdf), for a person to look at. Needs Chromium; nothing in the suite depends on it."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from licensing.vendor.operations_report import rate_card_in, report_usage, write_report
from tests.licensing.vendor.simulated_site import FIRST_DAY, SimulatedSite, SiteKey, row
from tests.licensing.vendor.vendors_desk import TERMS, VendorsDesk, vendors_desk

from .tools import OUTPUT

CARD = b"""\
kind: rate-card
schema: 1
name: Standard 2026
currency: EUR
decimals: 2
valid_from: 2026-01-01
rates:
  - models: "acme-*"
    per_request: "0.0001"
    per_million_prompt_tokens: "1.20"
    per_million_completion_tokens: "3.60"
"""
TEAMS = ("assembly", "quality", "a team whose name is <b>long</b> and up to something")
MODELS = ("acme-finetune-v3", "acme-small", "unpriced-model")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def a_month(folder: Path) -> VendorsDesk:
    """Two sites and a March with weekends."""
    desk, dice = vendors_desk(folder), random.Random(1)
    today, desk.now = desk.now, FIRST_DAY
    for number in (7, 8):
        site = SimulatedSite(site=f"plant-{number}", key=SiteKey(f"plant-{number}"))
        desk.issue(
            site, f"licence-{number}", terms=replace(TERMS, licence=f"lic-{number:04}", rpm=1, report_every_days=31)
        )
        days = []
        for day in range(31):
            rows = [row(team, model, dice.randint(1, 300), dice.randint(20, 900)) for team in TEAMS for model in MODELS]
            days.append(site.seal(tuple(sorted(rows, key=lambda each: (each.team, each.model))) if day % 7 < 5 else ()))
        clone = site.clone()
        desk.take(*days, site.seal())
        desk.take(clone.seal(()))
    desk.now = today + timedelta(days=40)
    return desk


def main() -> int:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print("report-picture: there is no Chromium here (Debian: apt-get install chromium)", file=sys.stderr)
        return 1
    out = OUTPUT / "report"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="report-picture-") as scratch:
        desk = a_month(Path(scratch))
        card = rate_card_in(desk.file("rates.yaml", CARD))
        report = report_usage(desk.home, date(2026, 3, 1), date(2026, 4, 1), card=card, now=desk.now)
        page = next(path for path in write_report(report, out) if path.suffix == ".html").resolve()
        # Root may not use the browser's sandbox; the page is our own, and the profile is thrown away.
        common = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch}/profile"]
        for more in (
            ["--hide-scrollbars", "--window-size=820,3000", f"--screenshot={out / 'page.png'}"],
            ["--no-pdf-header-footer", f"--print-to-pdf={out / 'page.pdf'}"],
        ):
            subprocess.run([*common, *more, page.as_uri()], check=True, timeout=120, capture_output=True)
    for name in ("page.png", "page.pdf"):
        if not (out / name).stat().st_size:
            print(f"report-picture: the browser wrote no {name}", file=sys.stderr)
            return 1
    print(f"Look at {out / 'page.png'} and {out / 'page.pdf'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
