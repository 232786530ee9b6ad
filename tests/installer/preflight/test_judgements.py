"""Each check passes, warns and fails where it says, names what it saw, and says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import installer
from installer.preflight.findings import WIDTH, Report, Verdict
from installer.preflight.judge import judge
from tests.installer.preflight.cases import CASES, FAIL, PASS, WARN, Case
from tests.installer.preflight.good_host import BUILT, GOOD

PAGE = Path(installer.__file__).with_name("PREFLIGHT.md")
CHECKS = tuple(dict.fromkeys(each.check for each in judge(GOOD, built=BUILT).findings))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_host_is_judged_by_what_it_is_like(case: Case) -> None:
    found = [each for each in judge(case.facts, built=BUILT).findings if each.check == case.check]
    told = [each for each in found if case.says in each.seen]
    assert [each.verdict for each in told] == [case.verdict], found
    assert case.remedy in told[0].remedy


@pytest.mark.parametrize("case", [each for each in CASES if each.verdict is not PASS], ids=str)
def test_whatever_does_not_pass_says_what_to_do_and_the_rest_of_the_host_still_passes(case: Case) -> None:
    report = judge(case.facts, built=BUILT)
    worse = [each for each in report.findings if each.verdict is not PASS]
    assert all(each.remedy.endswith(".") for each in worse)
    assert {each.check for each in worse} - {case.check} <= {
        "credentials",  # an old systemd has none
        "fsync",  # a filesystem that forgets flushes to nowhere
        "filesystem",
    }
    assert all(not each.remedy for each in report.findings if each.verdict is PASS)


def test_a_good_host_passes_every_check() -> None:
    report = judge(GOOD, built=BUILT)
    assert report.verdict is PASS
    assert len(report.those(PASS)) == len(report.findings)


def test_there_is_a_case_for_every_check_and_every_check_can_pass() -> None:
    assert {each.check for each in CASES} == set(CHECKS)
    assert {each.check for each in CASES if each.verdict is PASS} == set(CHECKS)
    # One that nothing could make worse would be no check.
    assert {each.check for each in CASES if each.verdict is not PASS} == set(CHECKS)


def test_the_worst_finding_is_the_reports_verdict() -> None:
    for verdict in (WARN, FAIL):
        case = next(each for each in CASES if each.verdict is verdict)
        assert judge(case.facts, built=BUILT).verdict is verdict
    assert Report(()).verdict is PASS


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_report_fits_a_terminal_of_80_columns_and_says_its_counts(case: Case) -> None:
    report = judge(case.facts, built=BUILT)
    lines = report.lines()
    assert max(map(len, lines)) <= WIDTH
    assert "".join(lines).isascii()
    assert (
        lines[-1].split()
        == " ".join(f"{len(report.those(each))} {each}{end}" for each, end in zip(Verdict, ",,.", strict=True)).split()
    )


def test_the_json_has_every_finding_with_its_verdict() -> None:
    case = next(each for each in CASES if each.verdict is FAIL)
    told = judge(case.facts, built=BUILT).as_dict()
    assert told["verdict"] == "fail"
    assert sum(told["counts"].values()) == len(told["findings"])
    assert {"check", "verdict", "seen", "remedy", "where"} == set(told["findings"][0])


def test_the_page_has_a_row_for_each_check_in_order_and_tells_which_verdicts_it_has() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [row[0] for row in rows] == list(CHECKS)
    for name, _, warns, fails, _ in rows:
        verdicts = {each.verdict for each in CASES if each.check == name}
        assert (warns != "–") == (WARN in verdicts), name
        assert (fails != "–") == (FAIL in verdicts), name
