"""Runs the scenario cases through this reconciler, and writes them out for others."""

from __future__ import annotations

from pathlib import Path

from licensing.shown import shown
from licensing.vendor.cases.case import differences, run
from licensing.vendor.cases.lay_out import all_cases, folder_of
from media.errors import AlreadyThere, WriteFailed
from media.writer import write_document


def run_cases(out: Path | None = None) -> tuple[list[tuple[str, list[str]]], int]:
    """Each case with where this reconciler differs from it, and how many files were written to the new folder `out`.

    Raises AlreadyThere where there is something of that name, and MediaError where it cannot be written.
    """
    cases = all_cases()
    results = [(case.name, differences(case, run(case))) for case in cases]
    if out is None:
        return results, 0
    try:
        out.mkdir()
    except FileExistsError as error:
        raise AlreadyThere("There is something of this name already.", where=shown(str(out))) from error
    except OSError as error:
        raise WriteFailed(f"No folder can be made here: {error.strerror}.", where=shown(str(out))) from error
    written = 0
    for name, data in folder_of(cases):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_document(path, data)
        written += 1
    return results, written
