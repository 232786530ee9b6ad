"""The scenario cases hold here, in the vendor's real memory as well, and would notice a reconciler that errs."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from licensing.envelope import parse
from licensing.licence import Licence
from licensing.site_request import open_site_request
from licensing.vendor import errors
from licensing.vendor.cases import case as cases_module
from licensing.vendor.cases.case import Case, differences, run
from licensing.vendor.cases.lay_out import all_cases, folder_of
from licensing.vendor.findings import Outcome, Verdict
from licensing.vendor.memory import Issued, Memory
from licensing.vendor.reconcile import reconcile
from media.errors import AlreadyThere
from tests.licensing.vendor.vendors_shell import Shell

CASES = {case.name: case for case in all_cases()}
SITUATIONS = {
    "ordinary-month", "month-with-outage", "zero-days", "key-changed", "database-restored", "appliance-cloned",
    "file-edited", "file-replayed", "day-deleted", "registers-reset", "clock-across-midnight", "leap-day", "year-end",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_case_is_judged_as_it_must_be(name: str) -> None:
    assert differences(CASES[name], run(CASES[name])) == []


@pytest.mark.parametrize("name", CASES)
def test_the_order_within_a_delivery_decides_nothing(name: str) -> None:
    case = CASES[name]
    shuffler = random.Random(name)
    for _ in range(3):
        turned = [
            replace(each, verdicts=dict(shuffler.sample(list(each.verdicts.items()), len(each.verdicts))))
            for each in case.deliveries
        ]
        assert differences(case, run(replace(case, deliveries=tuple(turned)))) == []


def test_every_situation_has_its_case_and_every_verdict_its_file() -> None:
    assert set(CASES) >= SITUATIONS
    met = {verdict for case in CASES.values() for each in case.deliveries for verdict in each.verdicts.values()}
    # What is no usage file at all needs no scenario.
    assert met == {verdict.value for verdict in Verdict} - {"malformed", "unreadable"}


@pytest.mark.parametrize("name", CASES)
def test_the_vendors_own_memory_gives_the_same_answers(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    with Memory.create(tmp_path / "vendor.db") as memory:
        for delivery in case.deliveries:
            with memory.transaction():
                _take_papers(memory, case, delivery.requests, delivery.licences)
                names = list(delivery.verdicts)
                views = {
                    site: view for site in memory.usage.sites() if (view := memory.usage.site_view(site)) is not None
                }
                outcome = reconcile(
                    [case.files[each] for each in names],
                    views,
                    everybody=memory.usage.keys_of_all_sites(),
                    now=delivery.at,
                )
                for taken in outcome.taken:
                    memory.usage.keep_accepted(taken, delivery.at)
                for kept in outcome.evidence:
                    memory.usage.keep_evidence(kept, delivery.at)
            assert dict(zip(names, (each.verdict.value for each in outcome.findings), strict=True)) == delivery.verdicts
        with memory.transaction():
            accepted = memory.all("SELECT document FROM usage_accepted")
    assert sum(_calls(document) for (document,) in accepted) == case.requests


def _take_papers(memory: Memory, case: Case, requests: tuple[str, ...], licences: tuple[str, ...]) -> None:
    for name in requests:
        request = open_site_request(case.papers[name])
        memory.enrol(request, case.papers[name], request.claims.issued_at)
    for name in licences:
        claims = Licence.model_validate_json(parse(case.papers[name]).body)
        issued = Issued(claims.binding.site, claims.serial, "", case.papers[name], claims.issued_at, delivered=True)
        memory.record_licence(issued, licence=claims.licence, epoch=claims.binding.epoch, digest="")


def _calls(document: bytes) -> int:
    size = json.loads(parse(document).body)["tree"]["size"]
    assert isinstance(size, int)
    return size


def test_a_reconciler_that_takes_everything_fails_nearly_every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    def credulous(*arguments: object, **more: object) -> Outcome:
        outcome = reconcile(*arguments, **more)  # type: ignore[arg-type]  # passed on as they came
        found = tuple(replace(each, verdict=Verdict.ACCEPTED) for each in outcome.findings)
        return replace(outcome, findings=found)

    monkeypatch.setattr(cases_module, "reconcile", credulous)
    failing = {name for name, case in CASES.items() if differences(case, run(case))}
    contested = {
        name for name, case in CASES.items() if any(set(e.verdicts.values()) != {"accepted"} for e in case.deliveries)
    }
    assert failing == contested
    assert len(failing) > 10


def test_wrong_sums_doubts_and_proofs_are_noticed() -> None:
    case = CASES["clock-across-midnight"]
    found = run(case)
    assert differences(replace(case, requests=1), found)
    assert differences(replace(case, doubts=frozenset()), found)
    assert differences(case, replace(found, doubts=frozenset()))
    proven = CASES["ordinary-month"]
    turned = {name: (proof, file, not holds) for name, (proof, file, holds) in proven.proofs.items()}
    assert len(differences(replace(proven, proofs=turned), run(proven))) == 2


def test_the_cases_are_the_same_bytes_each_time() -> None:
    assert list(folder_of(all_cases())) == list(folder_of(list(CASES.values())))


def test_selftest_writes_what_a_third_party_needs(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "cases"
    printed = shell.json_plain("usage", "selftest", "--out", out)
    assert all(each["passed"] for each in printed["cases"])
    assert printed["files_written"] == sum(path.is_file() for path in out.rglob("*"))
    for name, case in CASES.items():
        expected = json.loads((out / name / "expected.json").read_text())
        named = {file for delivery in expected["deliveries"] for file in delivery["verdicts"]}
        assert named == {path.name for path in (out / name / "input").iterdir()}
        assert {path.name for path in (out / name / "papers").iterdir()} == {"trust.json", *case.papers}
    again = shell.json_plain("usage", "selftest", "--out", out, code=AlreadyThere.exit_code)
    assert again["error"]["code"] == AlreadyThere.code


def test_the_page_for_the_desk_explains_every_verdict() -> None:
    page = (Path(cases_module.__file__).parents[1] / "RECONCILING.md").read_text("utf-8")
    explained = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and line.count("|") == 5}
    assert explained == {verdict.value for verdict in Verdict}


def test_a_failing_selftest_is_a_refusal(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(CASES["zero-days"], requests=9)
    monkeypatch.setattr("licensing.vendor.operations_selftest.all_cases", lambda: [broken])
    printed = shell.json_plain("usage", "selftest", code=errors.SelftestFailed.exit_code)
    assert printed["error"]["code"] == "usage_selftest_failed"
    assert "10 requests count" in printed["cases"][0]["differences"][0]
    result = shell.run("usage", "selftest")
    assert "zero-days: 10 requests count, and 9 were expected" in result.stdout
