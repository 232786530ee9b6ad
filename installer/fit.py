"""What an installation needs to be told and to find: the operator's answers, and a host that can carry the appliance.

Promise: both are asked before the first step; where either is refused, nothing has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from installer.answers import LIMIT_BYTES, Answers, read_answers
from installer.errors import AnswerRefused, PreflightFailed
from installer.layout import RELEASES, STATE
from installer.preflight import Target, Verdict, run_preflight
from licensing.shown import shown


def answers_in(file: Path | None) -> Answers | None:
    """Those in the file; None where none is named. Raises AnswerRefused."""
    if file is None:
        return None
    try:
        with file.open("rb") as reader:
            data = reader.read(LIMIT_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise AnswerRefused("The answers cannot be read.", where=shown(str(file))) from exc
    if len(data) > LIMIT_BYTES:
        raise AnswerRefused("The file is too large for answers.", where=shown(str(file)))
    return read_answers(text, where=shown(str(file)))


def require_fit(answers: Answers, accept: Sequence[str], *, now: datetime, environment: Mapping[str, str]) -> None:
    """Raises PreflightFailed for what the host fails and nobody has accepted."""
    target = Target(Path(RELEASES), Path(STATE), answers.listen, answers.port, serving=False)
    report = run_preflight(target, now=now, environment=environment)
    failed = [each for each in report.those(Verdict.FAIL) if each.check not in accept]
    if failed:
        told = "; ".join(f"{each.check}: {each.seen} {each.remedy}" for each in failed)
        raise PreflightFailed(f"This host cannot carry the appliance. {told}")
