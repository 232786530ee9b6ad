"""The billing report: what the memory holds of a period, and its files written out.

Promise: nothing is recorded, and nothing that lies there already is written over. The time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path

from licensing.licence import Licence
from licensing.shown import shown
from licensing.usage import Usage
from licensing.vendor.billing.invoice import draft
from licensing.vendor.billing.rate_card import RateCard, read_rate_card
from licensing.vendor.billing.render import invoice_csv, report_html, report_json, usage_csv
from licensing.vendor.billing.report import Report, SiteReport
from licensing.vendor.billing.totals import lines_of
from licensing.vendor.errors import SiteUnknown, TermsRefused
from licensing.vendor.home import Home
from licensing.vendor.memory import Memory
from licensing.vendor.operations_usage import Watch, licences_of, site_doubts, unwatched
from licensing.vendor.plausibility import Doubt, doubts_about
from licensing.vendor.usage_memory import Accepted
from media.reader import LIMITS, read_document
from media.writer import write_document


@dataclass(slots=True)
class _Seen:
    """What was met of each site while its files went by, so that no more than one of them is held at a time."""

    licences: dict[str, dict[int, Licence]] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    doubts: dict[str, list[Doubt]] = field(default_factory=dict)


def report_usage(
    home: Home,
    start: date,
    end: date,
    *,
    site: str | None = None,
    card: RateCard | None = None,
    now: datetime,
    watch: Watch = unwatched,
) -> Report:
    """Everything accepted of periods that start in `[start, end)`, of one site or all. Raises SiteUnknown."""
    if end <= start:
        raise TermsRefused(
            "The report would end before it begins.", remedy="Give --to a later day than --from; --to is not included."
        )
    trust = home.trust().claims
    with home.memory() as memory, memory.transaction():
        sites = memory.usage.sites()
        if site is not None and site not in sites:
            raise SiteUnknown(f"No site {shown(site)!r} was ever enrolled.")
        seen = _Seen()
        files = memory.usage.accepted_between(_midnight(start), _midnight(end), site)
        lines = tuple(lines_of(_watched(memory, files, seen, watch)))
        reports = tuple(_site(memory, each, seen, now) for each in sites if site in (None, each))
    invoice = None if card is None else draft(lines, card)
    return Report(trust.vendor, start, end, now, reports, lines, invoice)


def write_report(report: Report, folder: Path) -> list[Path]:
    """The report's files in this folder. Raises MediaError."""
    name = f"usage-report-{report.start}-to-{report.end}"
    files = {".csv": usage_csv(report), ".json": report_json(report), ".html": report_html(report)}
    if report.invoice is not None:
        files["-invoice.csv"] = invoice_csv(report)
    for ending, data in files.items():
        write_document(folder / f"{name}{ending}", data)
    return [folder / f"{name}{ending}" for ending in files]


def rate_card_in(file: Path) -> RateCard:
    """Raises RateCardRefused, MediaError."""
    return read_rate_card(read_document(file, limit=LIMITS["config"]), shown(str(file)))


def _watched(memory: Memory, files: Iterator[Accepted], seen: _Seen, watch: Watch) -> Iterator[Usage]:
    for number, each in enumerate(files, 1):
        if each.site not in seen.licences:
            seen.licences[each.site] = licences_of(memory, each.site)
        seen.files[each.site] = seen.files.get(each.site, 0) + 1
        seen.doubts.setdefault(each.site, []).extend(doubts_about(each.usage, seen.licences[each.site]))
        watch("added up", number, 0)
        yield each.usage


def _site(memory: Memory, site: str, seen: _Seen, now: datetime) -> SiteReport:
    spans = memory.usage.spans(site)
    return SiteReport(
        site=site,
        epoch=spans[-1].epoch,
        files=seen.files.get(site, 0),
        accepted_until=max(span.end for span in spans),
        doubts=(*seen.doubts.get(site, ()), *site_doubts(memory, site, now)),
        evidence=tuple(memory.usage.evidence_of(site)),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
