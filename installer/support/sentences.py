"""Which sentences this release can say, taken from its own source (pure).

Promise: of a text only what stands in the release's source leaves, and in its gaps only numbers, ids of requests, error
codes, times, and the names of exceptions. A sentence of somebody else (an upstream's error, a client's words, a key) is
none of this release's, whatever it looks like. Case and every blank count.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Final

GAP: Final = "(left out)"
_LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
_PERCENT: Final = re.compile(r"%(?:\.\d+)?[sdrf]")
_WORDS: Final = re.compile(r"[A-Za-z]{3,}.*\s.*[A-Za-z]{2,}", re.DOTALL)
_LOGGED: Final = re.compile(r"[A-Za-z]{4,}")
_SAFE: Final = re.compile(
    r"-?\d{1,9}(\.\d{1,6})?"  # a number
    r"|req_[0-9a-f]{24,32}"  # a request
    r"|\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?"  # a time
    r"|[A-Z][A-Za-z]{2,40}(Error|Exception|Timeout|Refused|Warning|Fault|Exit|Closed|Gone|Busy|Failed)"
)
_BRACKETED: Final = re.compile(r" \[([a-z][a-z0-9_]{2,40})\]( |$)")
_LONGEST: Final = 1500
_STOPS: Final = 6


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A sentence with gaps: `begins` and `ends` are its plain text at both ends, to be tried first."""

    begins: str
    ends: str
    whole: re.Pattern[str]
    gaps: int


@dataclass(frozen=True)
class Sentences:
    """`plain` are sentences without gaps; `pieces` the plain parts, in order, of those with gaps; `codes` all the
    error codes that there are; `names` those of models and deployments that leave with the config anyway."""

    plain: frozenset[str]
    pieces: tuple[tuple[str, ...], ...]
    codes: frozenset[str]
    names: frozenset[str] = frozenset()
    _known: dict[str, str | None] = field(default_factory=dict, compare=False, repr=False)

    def with_names(self, names: frozenset[str]) -> Sentences:
        return Sentences(self.plain, self.pieces, self.codes, names)

    def admit(self, text: str) -> str | None:
        """The text as it may leave; None where this release never says such a thing."""
        if len(text) > _LONGEST:
            return None
        if text not in self._known:
            self._known[text] = self._admit(text)
        return self._known[text]

    def _admit(self, text: str) -> str | None:
        plainly = self._admit_plainly(text)
        return self._in_parts(text) if plainly is None else plainly

    def _admit_plainly(self, text: str) -> str | None:
        """As one sentence."""
        if text in self.plain or text in self.codes:
            return text
        for each in self._patterns:
            if text.startswith(each.begins) and text.endswith(each.ends) and (found := each.whole.fullmatch(text)):
                return self._filled(text, found, each.gaps)
        return None

    def _filled(self, text: str, found: re.Match[str], gaps: int) -> str:
        made, last = "", 0
        for number in range(1, gaps + 1):
            begin, end = found.span(number)
            made += text[last:begin] + self._gap(text[begin:end])
            last = end
        return made + text[last:]

    def _gap(self, text: str) -> str:
        """What stands in a gap: safe by its form, or itself a sentence of this release."""
        if not text or self._is_safe(text) or text in self.plain:
            return text
        if " " in text and (inner := self._in_parts(text)) is not None:
            return inner
        return GAP

    def _in_parts(self, text: str) -> str | None:
        """`where: sentence`, `sentence [code] remedy`: the parts that are ours, and a mark for the rest."""
        if bracket := _BRACKETED.search(text):
            before, after = text[: bracket.start()], text[bracket.end() :]
            if bracket.group(1) in self.codes:
                told = [self._whole(before), f"[{bracket.group(1)}]", self._whole(after) if after else ""]
                return " ".join(each for each in told if each)
        where, colon, rest = text.partition(": ")
        if colon and rest and (inner := self._admit(rest)) is not None:
            return f"{where if self._is_safe(where) else GAP}: {inner}"
        return self._one_after_another(text)

    def _one_after_another(self, text: str) -> str | None:
        """Two sentences and more."""
        for stop in islice(re.finditer(r"\.(?= )", text), _STOPS):
            first = self._admit_plainly(text[: stop.end()])
            if first is not None and (rest := self._admit(text[stop.end() + 1 :])) is not None:
                return f"{first} {rest}"
        return None

    def _is_safe(self, text: str) -> bool:
        return bool(_SAFE.fullmatch(text)) or text in self.codes or text in self.names

    def _whole(self, text: str) -> str:
        found = self._admit(text)
        return GAP if found is None else found

    @cached_property
    def _patterns(self) -> tuple[_Pattern, ...]:
        # The longest plain text first: a sentence that says more of itself is the likelier one.
        ordered = sorted(self.pieces, key=lambda pieces: (-sum(map(len, pieces)), pieces))
        return tuple(
            _Pattern(
                pieces[0],
                pieces[-1],
                re.compile("(.*?)".join(re.escape(each) for each in pieces), re.DOTALL),
                len(pieces) - 1,
            )
            for pieces in ordered
        )


def sentences_in(sources: Iterable[str]) -> Sentences:
    """Every sentence in these modules: of log calls, and constants that read like one."""
    plain: set[str] = set()
    pieces: set[tuple[str, ...]] = set()
    codes: set[str] = set()
    for source in sources:
        tree = ast.parse(source)
        codes.update(_codes(tree))
        for parts, logged in _texts(tree):
            if not (_LOGGED if logged else _WORDS).search(" ".join(parts)):
                continue
            if len(parts) == 1:
                plain.add(parts[0])
            else:
                pieces.add(parts)
    return Sentences(frozenset(plain), tuple(sorted(pieces)), frozenset(codes))


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = any(isinstance(each, ast.Name) and each.id == "code" for each in targets)
            if named and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                yield node.value.value


def _texts(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Plain texts, and texts with gaps as the plain parts between them, and whether a log call says them. Docstrings
    are none of them."""
    silent = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            silent.update(id(each) for each in ast.walk(node) if each is not node and isinstance(each, ast.Constant))
            yield _joined(node), False
        elif _is_log_call(node):
            assert isinstance(node, ast.Call)
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                silent.add(id(first))
                yield tuple(each.replace("%%", "%") for each in _PERCENT.split(first.value)), True
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield (node.value,), False


def _is_log_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _LEVELS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id.endswith("log")
        and bool(node.args)
    )


def _joined(node: ast.JoinedStr) -> tuple[str, ...]:
    """The plain parts of an f-string; gaps that touch are one."""
    parts = [""]
    in_gap = False
    for each in node.values:
        if isinstance(each, ast.Constant):
            parts[-1] += str(each.value)
        elif not in_gap:
            parts.append("")
        in_gap = not isinstance(each, ast.Constant)
    return tuple(parts)
