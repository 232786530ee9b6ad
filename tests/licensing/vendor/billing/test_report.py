"""A report has the numbers of the accepted files, in three shapes that agree, and no foreign label does anything."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.shown import shown
from licensing.usage import Counts
from licensing.vendor.billing import charts
from licensing.vendor.billing.render import report_html
from licensing.vendor.billing.report import Report
from licensing.vendor.billing.totals import Line
from licensing.vendor.errors import SiteUnknown, TermsRefused
from licensing.vendor.operations_report import rate_card_in, report_usage, write_report
from media.errors import AlreadyThere
from tests.licensing.vendor.billing.test_invoice import CARD
from tests.licensing.vendor.simulated_site import SimulatedSite, SiteKey, row
from tests.licensing.vendor.vendors_desk import NOW, TERMS, VendorsDesk
from tests.licensing.vendor.vendors_shell import Shell

EVIL = '<script>alert("1")</script>&\'"'
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """The page as a browser takes it apart: its elements, whether they nest, and the text of each table cell."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page.decode("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


@pytest.fixture
def month(desk: VendorsDesk, licensed: SimulatedSite) -> VendorsDesk:
    """Two sites and three days, one team with a name that is up to something."""
    other = SimulatedSite(site="plant-8", key=SiteKey("plant-8"))
    desk.issue(other, "second", terms=replace(TERMS, licence="lic-0002"))
    desk.take(*licensed.days(2), licensed.seal(()), other.seal((row(EVIL, "=large", 7), row("quality", "acme-1", 1))))
    return desk


def made(desk: VendorsDesk, **more: object) -> Report:
    return report_usage(desk.home, MARCH, APRIL, now=NOW, **more)  # type: ignore[arg-type]  # passed on as they came


def test_the_three_files_have_the_same_numbers(month: VendorsDesk, tmp_path: Path) -> None:
    report = made(month)
    names = [path.name for path in write_report(report, tmp_path)]
    assert names == [f"usage-report-2026-03-01-to-2026-04-01.{ending}" for ending in ("csv", "json", "html")]
    rows = list(csv.DictReader(io.StringIO((tmp_path / names[0]).read_text())))
    whole = json.loads((tmp_path / names[1]).read_text())
    page = Page((tmp_path / names[2]).read_bytes())
    assert sum(int(each["requests"]) for each in rows) == whole["total"]["requests"] == report.total.requests == 18
    assert sum(each["prompt_tokens"] for each in whole["lines"]) == whole["total"]["prompt_tokens"] == 1800
    assert "1,800" in page.text
    assert [(site["site"], site["files"]) for site in whole["sites"]] == [("plant-7", 3), ("plant-8", 1)]


def test_a_period_is_half_open_and_a_site_can_be_asked_for_alone(month: VendorsDesk) -> None:
    first = report_usage(month.home, MARCH, date(2026, 3, 2), now=NOW)
    assert first.total.requests == 5 + 8
    assert made(month, site="plant-8").total.requests == 8
    assert report_usage(month.home, date(2026, 3, 3), APRIL, now=NOW).total.requests == 0
    with pytest.raises(SiteUnknown):
        made(month, site="nobody")
    with pytest.raises(TermsRefused):
        report_usage(month.home, APRIL, APRIL, now=NOW)


def test_the_page_runs_nothing_and_fetches_nothing(month: VendorsDesk) -> None:
    data = report_html(made(month))
    page = Page(data)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {
        "script",
        "iframe",
        "img",
        "link",
        "object",
        "embed",
        "form",
        "a",
        "base",
        "use",
        "foreignobject",
    }
    attributes = {name for _, attrs in page.elements for name in attrs}
    assert not {name for name in attributes if name.startswith("on")} | (attributes & {"href", "src", "xlink:href"})
    assert b"url(" not in data
    assert b"@import" not in data
    assert b"http://" not in data.replace(b"http://www.w3.org/2000/svg", b"")


def test_a_label_is_text_wherever_it_stands(month: VendorsDesk) -> None:
    page = Page(report_html(made(month)))
    assert f"plant-8 / {EVIL}" in page.text
    assert "=large" in page.text


def test_the_charts_have_a_bar_for_each_day_and_model(month: VendorsDesk) -> None:
    page = Page(report_html(made(month)))
    labels = [attrs.get("aria-label") for tag, attrs in page.elements if tag == "svg"]
    assert labels == ["Requests by day", "Tokens by day", "Requests by model", "Requests by team"]
    bars = [tag for tag, _ in page.elements if tag == "rect"]
    assert len(bars) == 31 + 2 * 31 + 4 + 4


def test_a_spreadsheet_takes_no_label_for_a_formula(month: VendorsDesk, tmp_path: Path) -> None:
    table = write_report(made(month), tmp_path)[0].read_text()
    assert "'=large" in table
    assert not re.search(r"(^|,)[=+@-]", table, re.MULTILINE)


def test_with_a_rate_card_there_is_an_invoice_and_what_has_no_price_is_said(month: VendorsDesk, tmp_path: Path) -> None:
    file = month.file("rates.yaml", CARD.replace(b"2027-01-01", b"2026-01-01"))
    report = made(month, card=rate_card_in(file))
    written = write_report(report, tmp_path)
    assert written[-1].name.endswith("-invoice.csv")
    whole = json.loads(written[1].read_text())["invoice"]
    assert [(item["model"], item["what"], item["quantity"]) for item in whole["items"]] == [
        ("acme-1", "requests", 1),
        ("acme-1", "prompt tokens", 100),
        ("acme-1", "completion tokens", 50),
    ]
    assert {each["model"] for each in whole["unpriced"]} == {"small", "large", "=large"}
    page = Page(written[2].read_bytes())
    assert "Draft of an invoice" in page.text
    assert f"Total, {whole['currency']}" in page.text
    assert whole["total"] in page.text


def test_a_report_writes_over_nothing(month: VendorsDesk, tmp_path: Path) -> None:
    write_report(made(month), tmp_path)
    other = replace(made(month), made_at=NOW.replace(hour=13))
    with pytest.raises(AlreadyThere):
        write_report(other, tmp_path)


def test_evidence_and_doubts_are_on_the_page(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    clone = licensed.clone()
    desk.take(licensed.seal())
    desk.take(clone.seal(()))
    report = made(desk)
    (site,) = report.sites
    assert [each.verdict for each in site.evidence] == ["fork"]
    assert {doubt.code for doubt in site.doubts} == {"licence_out_of_date"}, "March was before the licence was issued"
    page = Page(report_html(report))
    assert "fork" in page.text
    assert any("accepted before with other content" in text for text in page.text)


def test_the_same_oddity_of_many_files_is_one_line_on_the_page(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.take(*licensed.days(3))
    report = made(desk)
    assert len(report.sites[0].doubts) == 3
    ((files, code, sentence),) = report.sites[0].odd()
    assert (files, code) == ("1 … 3", "licence_out_of_date")
    assert sentence.endswith("And 2 more files; each is in the JSON file.")
    assert files in Page(report_html(report)).text


def test_an_empty_report_is_a_report(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    page = Page(report_html(made(desk)))
    assert "Nothing was used." in page.text
    assert licensed.site in page.text


def test_the_command_writes_it(shell: Shell, site: SimulatedSite) -> None:
    shell.issue(site)
    shell.desk.take(*site.days(2))
    (shell.desk.folder / "out").mkdir()
    printed = shell.json_plain(
        "usage", "report", "--from", "2026-03-01", "--to", "2026-04-01", "--out", shell.desk.folder / "out"
    )
    assert printed["total"]["requests"] == 10
    assert all(Path(each).is_file() for each in printed["files"])
    card = shell.desk.file("rates.yaml", CARD)
    result = shell.run("usage", "report", "--from", "2027-03-01", "--to", "2027-04-01", "--rates", card)
    assert "Draft of an invoice: 0.00 EUR." in result.stdout
    bad = shell.desk.file("bad.yaml", CARD.replace(b'"1.20"', b"1.20"))
    refused = shell.json_plain("usage", "report", "--from", "2027-03-01", "--to", "2027-04-01", "--rates", bad, code=97)
    assert refused["error"]["code"] == "rate_card_refused"


# -- charts ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(0, 2**62)), max_size=12))
def test_a_chart_is_well_formed_whatever_the_labels(values: list[tuple[str, int]]) -> None:
    harmless = [(shown(label) or "x", value) for label, value in values]
    svg = ET.fromstring(charts.bars(harmless, title="t"))
    assert len(svg.findall("rect")) == len(values)
    drawn = charts.columns([label for label, _ in harmless], [("n", [value for _, value in harmless])], title="t")
    heights = [float(bar.get("height", "0")) for bar in ET.fromstring(drawn).findall("rect")]
    assert all(0 <= height <= 190 for height in heights)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 4), (4, 4), (5, 8), (9, 20), (21, 40), (80, 80), (81, 200), (4001, 8000)]
)
def test_an_axis_ends_at_a_number_that_can_be_read(value: int, top: int) -> None:
    assert charts.ceiling(value) == top


def test_bars_are_as_tall_as_their_values() -> None:
    svg = ET.fromstring(charts.columns(["a", "b"], [("n", [10, 20])], title="t"))
    short, tall = (float(bar.get("height", "0")) for bar in svg.findall("rect"))
    assert tall == pytest.approx(2 * short, abs=0.02)


def test_a_report_counts_a_line_once_under_each_name() -> None:
    lines = tuple(Line("s", MARCH, "o", team, model, Counts(requests=1)) for team in "ab" for model in "xyz")
    report = Report("V", MARCH, date(2026, 3, 3), NOW, (), lines)
    assert [counts.requests for _, counts in report.days()] == [6, 0]
    assert [(name, counts.requests) for name, counts in report.by_team()] == [("s / a", 3), ("s / b", 3)]
    assert [(name, counts.requests) for name, counts in report.by_model()] == [("x", 2), ("y", 2), ("z", 2)]
