"""What a look at a host finds: a verdict each, what was seen, and what to do about it (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """`fail`: the appliance would not install, not start or lose what it must keep. `warn`: it would work, less well
    or less safely than it could."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"


_SEVERITY = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one thing. `where` names the thing where a check looks at several; `remedy` is empty on a pass."""

    check: str
    verdict: Verdict
    seen: str
    remedy: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Every finding, in the order of the page PREFLIGHT.md."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of them."""
        return max((each.verdict for each in self.findings), key=_SEVERITY.index, default=Verdict.PASS)

    def those(self, verdict: Verdict) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.verdict is verdict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict.value,
            "findings": [asdict(each) for each in self.findings],
            "counts": {verdict.value: len(self.those(verdict)) for verdict in _SEVERITY},
        }

    def lines(self) -> list[str]:
        """For a terminal of 80 columns: what fails and warns says what to do on lines of its own."""
        told = []
        for each in self.findings:
            told += _wrapped(f"{each.verdict:4}  {each.check:15} ", f"{each.where}: {each.seen}".removeprefix(": "))
            if each.remedy:
                told += _wrapped(" " * 22 + "-> ", each.remedy)
        counts = ", ".join(f"{len(self.those(verdict))} {verdict}" for verdict in _SEVERITY)
        return [*told, "", f"{counts}."]


WIDTH = 79


def _wrapped(head: str, text: str) -> list[str]:
    return list(_lines(text.split(), head, " " * len(head)))


def _lines(words: Iterable[str], line: str, indent: str) -> Iterable[str]:
    begun = False
    for word in words:
        if begun and len(line) + len(word) + 1 > WIDTH:
            yield line
            line, begun = indent, False
        line, begun = f"{line} {word}" if begun else f"{line}{word}", True
    yield line


def passed(check: str, seen: str, where: str = "") -> Finding:
    return Finding(check, Verdict.PASS, seen, where=where)


def warned(check: str, seen: str, remedy: str, where: str = "") -> Finding:
    return Finding(check, Verdict.WARN, seen, remedy, where)


def failed(check: str, seen: str, remedy: str, where: str = "") -> Finding:
    return Finding(check, Verdict.FAIL, seen, remedy, where)
