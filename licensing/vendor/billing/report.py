"""What a billing report says: one period, every site in it, and what somebody should look at.

Promise: pure. Everything is counted from accepted files alone; a report for the same period from the same memory has
the same numbers. `made_at` is an argument and the only thing that differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from licensing.document import format_time
from licensing.usage import COUNT_FIELDS, Counts
from licensing.vendor.billing.invoice import Invoice
from licensing.vendor.billing.totals import Line, add, counts_of, summed
from licensing.vendor.plausibility import Doubt
from licensing.vendor.usage_memory import KeptEvidence


@dataclass(frozen=True, slots=True)
class SiteReport:
    """One site in the period: how many of its files were accepted, until when all is accepted, and what is odd."""

    site: str
    epoch: int
    files: int
    accepted_until: datetime
    doubts: tuple[Doubt, ...]
    evidence: tuple[KeptEvidence, ...]

    def odd(self) -> list[tuple[str, str, str]]:
        """What to look at for people: files, code and sentence; the same code on many files is one line."""
        kept = [(_number(each.seq), each.verdict, each.sentence) for each in self.evidence]
        groups: dict[tuple[int, str], list[Doubt]] = {}
        for doubt in self.doubts:
            groups.setdefault((doubt.epoch, doubt.code), []).append(doubt)
        for (_, code), doubts in groups.items():
            more = f" And {len(doubts) - 1} more files; each is in the JSON file." if len(doubts) > 1 else ""
            last = f" … {_number(doubts[-1].seq)}" if more else ""
            kept.append((f"{_number(doubts[0].seq)}{last}", code, doubts[0].sentence + more))
        return kept


@dataclass(frozen=True, slots=True)
class Report:
    """`start` and `end` are days (UTC), the end exclusive. `invoice` is None without a rate card."""

    vendor: str
    start: date
    end: date
    made_at: datetime
    sites: tuple[SiteReport, ...]
    lines: tuple[Line, ...]
    invoice: Invoice | None = None

    @property
    def total(self) -> Counts:
        numbers = [0] * len(COUNT_FIELDS)
        for line in self.lines:
            add(numbers, line.counts)
        return counts_of(numbers)

    def days(self) -> list[tuple[date, Counts]]:
        """Every day of the period, those with nothing among them."""
        of_day = summed(self.lines, lambda line: line.day)
        days = [self.start + timedelta(days=number) for number in range((self.end - self.start).days)]
        return [(day, of_day.get(day, Counts())) for day in days]

    def by(self, of: Callable[[Line], str]) -> list[tuple[str, Counts]]:
        """Totals under a name, the busiest first."""
        return sorted(summed(self.lines, of).items(), key=lambda each: (-each[1].requests, each[0]))

    def by_model(self) -> list[tuple[str, Counts]]:
        return self.by(lambda line: line.model)

    def by_team(self) -> list[tuple[str, Counts]]:
        return self.by(lambda line: f"{line.site} / {line.team}")

    def unpriced_models(self) -> list[str]:
        return sorted({line.model for line in self.invoice.unpriced}) if self.invoice else []


def as_dict(report: Report) -> dict[str, Any]:
    """The report for programs. Amounts are strings, so that no reader makes them binary."""
    return {
        "kind": "usage-report",
        "schema": 1,
        "vendor": report.vendor,
        "from": report.start.isoformat(),
        "to": report.end.isoformat(),
        "made_at": format_time(report.made_at),
        "total": report.total.model_dump(),
        "sites": [_site(each) for each in report.sites],
        "lines": [line_as_dict(line) for line in report.lines],
        "invoice": None if report.invoice is None else _invoice(report.invoice),
    }


def line_as_dict(line: Line) -> dict[str, Any]:
    names = {"site": line.site, "day": line.day.isoformat(), "org": line.org, "team": line.team, "model": line.model}
    return {**names, **line.counts.model_dump()}


def doubts_as_dicts(doubts: Sequence[Doubt]) -> list[dict[str, Any]]:
    return [
        {"site": each.site, "epoch": each.epoch, "seq": each.seq, "code": each.code, "sentence": each.sentence}
        for each in doubts
    ]


def _number(seq: int | None) -> str:
    return "–" if seq is None else str(seq)


def _site(of: SiteReport) -> dict[str, Any]:
    return {
        "site": of.site,
        "epoch": of.epoch,
        "files": of.files,
        "accepted_until": format_time(of.accepted_until),
        "doubts": doubts_as_dicts(of.doubts),
        "evidence": [
            {
                "epoch": each.epoch,
                "seq": each.seq,
                "verdict": each.verdict,
                "sentence": each.sentence,
                "digest": each.digest,
                "seen_at": format_time(each.seen_at),
            }
            for each in of.evidence
        ],
    }


def _invoice(of: Invoice) -> dict[str, Any]:
    return {
        "rate_card": of.card.name,
        "currency": of.card.currency,
        "rounding": f"each amount half away from zero to {of.card.decimals} decimals; the total is their sum",
        "items": [
            {
                "site": item.site,
                "model": item.model,
                "what": item.what,
                "quantity": item.quantity,
                "per": item.per,
                "price": str(item.price),
                "amount": str(item.amount),
            }
            for item in of.items
        ],
        "total": str(of.total),
        "unpriced": [line_as_dict(line) for line in of.unpriced],
    }
