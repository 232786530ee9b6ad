"""Modules that decide: facts come in as arguments, so that every decision can be tested and replayed."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping

import pytest

from tests.rules.tree import Module, modules_in, stands

PURE: Mapping[str, str] = {
    "licensing": "Whether a document is believed must follow from its bytes and the facts given, and nothing else.",
    "appliance/config/plan.py": "What a config would change is shown before it is agreed to; showing must not do.",
    "appliance/config/words.py": "What a policy says is shown before it is agreed to.",
    "appliance/access/anomaly": "Why a key was paused must be explainable afterwards from what was known of it.",
    "appliance/access/authorise.py": "Who may do what follows from grants alone.",
    "installer/preflight/judge": "What a host must be like is decided from facts, so that any host's can be judged anywhere.",
    "installer/layout.py": "What an installation would do is shown before it is done; showing must not do.",
    "installer/steps.py": "What an installation would do is shown before it is done; showing must not do.",
    "installer/plan.py": "What an installation would do is shown before it is done; showing must not do.",
    "installer/units.py": "What an installation would do is shown before it is done; showing must not do.",
    "installer/answers.py": "What an installation would do is shown before it is done; showing must not do.",
    "installer/successor.py": "What an installation would do is shown before it is done; showing must not do.",
    "installer/support/forms.py": "What may leave a host is decided from the words at hand, the same each time.",
    "installer/support/pick.py": "What may leave a host is decided from the words at hand, the same each time.",
    "installer/support/shapes.py": "What may leave a host is decided from the words at hand, the same each time.",
    "installer/support/sentences.py": "What may leave a host is decided from the words at hand, the same each time.",
    "installer/support/log_lines.py": "What may leave a host is decided from the words at hand, the same each time.",
    "installer/support/metric_lines.py": "What may leave a host is decided from the words at hand, the same each time.",
    "installer/support/search.py": "What may leave a host is decided from the words at hand, the same each time.",
    "installer/support/bundle.py": "What may leave a host is decided from the words at hand, the same each time.",
    "appliance/gateway/routing": "Which deployment answers must be explainable afterwards from the facts at hand.",
}
OUTSIDE = ("licensing/vendor",)

IMPURE_MODULES: Mapping[str, str] = {
    "asyncio": "waits",
    "fcntl": "locks files",
    "glob": "reads folders",
    "http": "reaches the network",
    "importlib": "hides imports from these rules",
    "io": "opens files",
    "logging": "writes",
    "os": "reads the environment and the disk",
    "pathlib": "reads the disk (PurePath does not)",
    "platform": "asks the host",
    "random": "answers differently each time",
    "secrets": "answers differently each time",
    "shutil": "changes the disk",
    "socket": "reaches the network",
    "sqlite3": "opens files",
    "ssl": "reaches the network",
    "subprocess": "starts programs",
    "sys": "reads the process",
    "tempfile": "makes files",
    "threading": "lets the order of things decide",
    "time": "reads the clock",
    "urllib": "reaches the network",
    "uuid": "answers differently each time",
}
PURE_NAMES = {"pathlib.PurePath", "pathlib.PurePosixPath"}
IMPURE_CALLS: Mapping[str, str] = {
    "open": "opens a file",
    "input": "asks a person",
    "print": "writes",
    "exec": "hides code from these rules",
    "eval": "hides code from these rules",
    "compile": "hides code from these rules",
    "__import__": "hides imports from these rules",
}
CLOCKS = {"now", "utcnow", "today"}
"""Methods of `datetime` and `date` that read the host's clock."""


def guarded() -> list[Module]:
    return [module for place in PURE for module in modules_in(place, outside=OUTSIDE)]


def impurities(module: Module) -> Iterator[str]:
    for each in module.imports():
        top = each.name.partition(".")[0]
        if top in IMPURE_MODULES and each.name not in PURE_NAMES:
            yield f"{module.path}:{each.line} imports {each.name}, which {IMPURE_MODULES[top]}"
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield f"{module.path}:{node.lineno} calls {node.func.id}(), which {IMPURE_CALLS[node.func.id]}"
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS and _is_date(node.value):
            yield f"{module.path}:{node.lineno} calls {node.attr}(), which reads the clock"
        if isinstance(node, ast.Attribute) and node.attr in {"read_text", "read_bytes", "write_text", "write_bytes"}:
            yield f"{module.path}:{node.lineno} uses {node.attr}, which goes to the disk"


def _is_date(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in {"datetime", "date"}


@pytest.mark.parametrize("place", PURE)
def test_what_decides_touches_nothing(place: str) -> None:
    found = [fault for module in modules_in(place, outside=OUTSIDE) for fault in impurities(module)]
    assert not found, f"{PURE[place]} {found}"


@pytest.mark.parametrize("place", [*PURE, *OUTSIDE])
def test_what_is_guarded_stands(place: str) -> None:
    assert stands(place), f"{place} has vanished: this rule guards nothing any more"


@pytest.mark.parametrize("name", IMPURE_MODULES)
def test_what_is_forbidden_exists(name: str) -> None:
    assert importlib.util.find_spec(name), f"There is no module {name} any more: this rule forbids nothing"


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "import os.path as p",
        "from os import environ",
        "from pathlib import Path",
        "import pathlib",
        "def f():\n    import socket",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.utcnow()",
        "from datetime import date\ntoday = date.today",
        "from time import time",
        "open('x')",
        "p.read_text()",
        "__import__('os')",
    ],
)
def test_the_rule_sees(text: str) -> None:
    assert list(impurities(Module("x.py", text)))


@pytest.mark.parametrize(
    "text", ["from datetime import UTC, datetime", "from pathlib import PurePath", "clock.now", "import json"]
)
def test_the_rule_lets_pass(text: str) -> None:
    assert not list(impurities(Module("x.py", text)))


def test_licensing_is_guarded_module_by_module() -> None:
    assert {"licensing/envelope.py", "licensing/standing.py", "licensing/clock.py"} <= {each.path for each in guarded()}
