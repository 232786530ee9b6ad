"""A report as files: CSV for a spreadsheet, JSON for a program, and one HTML page for people, on a screen or on A4.

Pure: bytes out, nothing written. The page needs nothing from anywhere else and runs no script; every word in it that
came from a site is escaped by the template (autoescape), and a cell of the CSV that a spreadsheet would take for a
formula is written as text.
"""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from licensing.document import format_time
from licensing.shown import shown
from licensing.usage import COUNT_FIELDS
from licensing.vendor.billing import charts
from licensing.vendor.billing.report import Report, as_dict, line_as_dict

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LINE = ("site", "day", "org", "team", "model", *COUNT_FIELDS)
_ITEM = ("site", "model", "what", "quantity", "per", "price", "amount", "currency")
MOST_NAMES = 12
"""Bars in one chart; what is beyond them is one bar more."""


def usage_csv(report: Report) -> bytes:
    """One row for each site, day, team and model."""
    return _csv(_LINE, [line_as_dict(line) for line in report.lines])


def invoice_csv(report: Report) -> bytes:
    """One row for each item; nothing but the header without a rate card."""
    invoice = report.invoice
    rows: list[dict[str, Any]] = []
    for item in invoice.items if invoice else ():
        rows.append({name: getattr(item, name) for name in _ITEM if name != "currency"})
        rows[-1]["currency"] = invoice.card.currency if invoice else ""
    return _csv(_ITEM, rows)


def report_json(report: Report) -> bytes:
    return json.dumps(as_dict(report), ensure_ascii=True, indent=2).encode("ascii") + b"\n"


def report_html(report: Report) -> bytes:
    """The page, whole."""
    environment = Environment(
        loader=PackageLoader("licensing.vendor.billing", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=lambda value: f"{value:,}", time=format_time, plain=_plain, shown=shown)
    page = environment.get_template("report.html.jinja").render(report=report, charts=_charts(report))
    return page.encode("utf-8")


def _charts(report: Report) -> dict[str, Markup]:
    """Only what `charts` made itself is markup."""
    days = report.days()
    labels = [f"{day.day}." if len(days) <= 31 else day.strftime("%m-%d") for day, _ in days]
    requests = [("requests", [counts.requests for _, counts in days])]
    tokens = [
        ("prompt", [counts.prompt_tokens + counts.estimated_prompt_tokens for _, counts in days]),
        ("completion", [counts.completion_tokens + counts.estimated_completion_tokens for _, counts in days]),
    ]
    drawn = {
        "requests": charts.columns(labels, requests, title="Requests by day"),
        "tokens": charts.columns(labels, tokens, title="Tokens by day"),
        "models": charts.bars(_most(report.by_model()), title="Requests by model"),
        "teams": charts.bars(_most(report.by_team()), title="Requests by team"),
    }
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704 - written by an XML writer, labels as text


def _most(names: list[tuple[str, Any]]) -> list[tuple[str, int]]:
    shown_ones = [(name, counts.requests) for name, counts in names[:MOST_NAMES]]
    rest = sum(counts.requests for _, counts in names[MOST_NAMES:])
    return [*shown_ones, (f"{len(names) - MOST_NAMES} others", rest)] if rest else shown_ones


def _plain(amount: Decimal) -> str:
    """Thousands apart, and as many decimals as there are."""
    return f"{amount:,f}"


def _csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    return stream.getvalue().encode("utf-8")


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
