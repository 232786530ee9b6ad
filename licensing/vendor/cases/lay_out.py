"""The cases as folders, for whoever checks a reconciler of their own against them.

Pure: what each file is called and what is in it. The same on every machine, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from licensing.document import format_time
from licensing.vendor.cases.case import Case
from licensing.vendor.cases.contested import CONTESTED
from licensing.vendor.cases.ordinary import ORDINARY

README: Final = """# Cases for a reconciler of usage files

Each folder is one case. `expected.json` tells its story and lists `deliveries` in order: at each, enrol the site
requests named (`papers/`), take the licences named as issued, and reconcile the usage files named (`input/`) together,
as of the time `at`, in any order among themselves. `verdicts` says what must become of each. When all was delivered,
exactly `requests` calls count. `doubts` lists what is odd about files that do count. `proofs` (in `proofs/`) says which
proofs hold, each against its usage file.

The formats are those of FORMATS.md, the verdicts those of RECONCILING.md. `papers/trust.json` is the trust that signs
the licences. All keys are made from published text: they guard nothing, and must never be anybody's.
"""


def all_cases() -> list[Case]:
    """Every case, made anew."""
    return [make() for make in (*ORDINARY, *CONTESTED)]


def folder_of(cases: list[Case]) -> Iterator[tuple[str, bytes]]:
    """Every file of the folder, by its path within."""
    yield "README.md", README.encode()
    for case in cases:
        yield f"{case.name}/expected.json", json.dumps(_expected(case), indent=2).encode() + b"\n"
        yield f"{case.name}/papers/trust.json", case.trust
        for name, data in sorted(case.papers.items()):
            yield f"{case.name}/papers/{name}", data
        for name, data in sorted(case.files.items()):
            yield f"{case.name}/input/{name}", data
        for name, (data, _, _) in sorted(case.proofs.items()):
            yield f"{case.name}/proofs/{name}", data


def _expected(case: Case) -> dict[str, Any]:
    return {
        "case": case.name,
        "story": case.story,
        "deliveries": [
            {
                "at": format_time(each.at),
                "requests": list(each.requests),
                "licences": list(each.licences),
                "verdicts": dict(sorted(each.verdicts.items())),
            }
            for each in case.deliveries
        ],
        "requests": case.requests,
        "doubts": [{"file": name, "code": code} for name, code in sorted(case.doubts)],
        "proofs": [
            {"proof": name, "file": file, "holds": holds} for name, (_, file, holds) in sorted(case.proofs.items())
        ],
    }
