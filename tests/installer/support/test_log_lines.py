"""Of a log only what this release itself says may leave."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import StorageFull
from appliance.observe.log_lines import LogLines
from installer.support.log_lines import STEPS, admit_entries, admit_lines
from installer.support.logs import this_releases_sentences
from installer.support.sentences import GAP, sentences_in

SENTENCES = this_releases_sentences().with_names(frozenset({"chat", "chat#1a2b3c4d"}))
REQUEST = "req_0193d2f1a2b3ab12cd000017"
PROMPT = "Patient Meier, born 1961, asks about Haloperidol"
TOKEN = "Bearer sk-proj-9f8a7b6c5d4e3f2a1b0c"


def logged(write: Callable[[logging.Logger], None], tmp_path: Path) -> list[str]:
    """Lines as the appliance's processes write them."""
    file = tmp_path / "log"
    handler = logging.FileHandler(file)
    handler.setFormatter(LogLines())
    log = logging.Logger("ao.gateway")
    log.addHandler(handler)
    write(log)
    handler.close()
    return file.read_text().split("\n")


def said(lines: list[str]) -> list[str]:
    return [str(each.get("said")) for each in admit_lines(lines, SENTENCES).records]


def test_what_this_release_says_leaves_word_by_word(tmp_path: Path) -> None:
    def write(log: logging.Logger) -> None:
        log.error("the gateway's main process ended by itself (exit %s); it is started again", -9)
        log.warning("the clock was set by %d s", 86400)
        log.warning("an access token could not be fetched (%s)", "ConnectTimeout")
        log.warning("%s: %s gave no answer (%s)", REQUEST, "chat#1a2b3c4d", "upstream_unreachable")
        log.warning("%s", f"{StorageFull('The disk is full.')} [storage_full] {StorageFull.default_remedy}")

    lines = said(logged(write, tmp_path))
    assert lines[:3] == [
        "the gateway's main process ended by itself (exit -9); it is started again",
        "the clock was set by 86400 s",
        "an access token could not be fetched (ConnectTimeout)",
    ]
    assert lines[3].startswith(f"{REQUEST}: chat#1a2b3c4d gave no answer (")
    assert lines[4] == f"{GAP} [storage_full] {StorageFull.default_remedy}"


def test_what_others_said_stays_and_is_counted(tmp_path: Path) -> None:
    def write(log: logging.Logger) -> None:
        log.warning("%s: %s", REQUEST, PROMPT)
        log.warning("%s: %s gave no answer (%s)", REQUEST, "anna.meier@acme.de", PROMPT)
        log.warning("sealed files could not be copied to %s: %s", TOKEN, PROMPT)
        log.warning(PROMPT)
        log.warning("%s: fault of type %s", PROMPT, TOKEN)

    lines = [*logged(write, tmp_path), PROMPT, TOKEN, f"ao: {PROMPT}", f'  File "/x/{PROMPT}.py", line 3, in f']
    admitted = admit_lines(lines, SENTENCES)
    told = repr(admitted.records)
    for word in (*PROMPT.replace(",", "").split(), "sk-proj", "anna", "Bearer"):
        assert word not in told, word
    assert admitted.left_out >= 5
    assert f"{REQUEST}: {GAP} gave no answer ({GAP})" in told
    assert f"sealed files could not be copied to {GAP}: {GAP}" in told


def test_a_fault_leaves_its_frames_and_type_and_no_words(tmp_path: Path) -> None:
    def write(log: logging.Logger) -> None:
        try:
            try:
                int(PROMPT)
            except ValueError as cause:
                raise RuntimeError(TOKEN) from cause
        except RuntimeError:
            log.exception("metrics could not be told")

    lines = logged(write, tmp_path)
    lines.insert(1, '  File "/opt/ao/current/lib/appliance/gateway/endpoints.py", line 109, in _answer')
    lines.insert(2, f"    raise KeyError({PROMPT!r})")
    records = admit_lines(lines, SENTENCES).records
    assert {"said": "metrics could not be told"}.items() <= records[0].items()
    assert {"frame": "appliance/gateway/endpoints.py:109 _answer"} in records
    assert {"fault": "builtins.ValueError"} in records
    assert {"fault": "builtins.RuntimeError"} in records
    assert "Meier" not in repr(records)
    assert "sk-proj" not in repr(records)


def test_the_journal_tells_what_systemd_did_and_hides_what_anybody_else_says() -> None:
    started, ended = (
        next(id_ for id_, step in STEPS.items() if step == name) for name in ("started", "its process ended")
    )
    entries: list[dict[str, Any]] = [
        {"__REALTIME_TIMESTAMP": "1795854600123456", "MESSAGE_ID": started, "_PID": "1", "MESSAGE": PROMPT},
        {
            "__REALTIME_TIMESTAMP": "1795854601123456",
            "MESSAGE_ID": ended,
            "_PID": "1",
            "EXIT_CODE": "exited",
            "EXIT_STATUS": "40",
            "UNIT_RESULT": TOKEN,
        },
        {"MESSAGE_ID": started, "_PID": "4711", "MESSAGE": PROMPT},
        {"MESSAGE": [1, 2, 3]},
        {"MESSAGE": f"2026-11-28 08:00:00,123 WARNING ao.gateway {PROMPT}"},
        {"__REALTIME_TIMESTAMP": "x", "MESSAGE": "the journal could not be made durable"},
    ]
    admitted = admit_entries(entries, SENTENCES)
    assert admitted.records[0] == {"at": "2026-11-28 08:30:00", "systemd": "started"}
    assert admitted.records[1] == {
        "at": "2026-11-28 08:30:01",
        "systemd": "its process ended",
        "how": "exited",
        "status": "40",
    }
    assert admitted.records[2]["said"] == GAP
    assert admitted.records[3] == {"said": "the journal could not be made durable"}
    assert admitted.left_out == 2
    assert "Meier" not in repr(admitted)


SECRET = st.text(st.sampled_from("abcdefghijkmnpqrstuvwxyzXYZ0189-_ .:[]()@/"), min_size=8, max_size=60).filter(
    lambda text: sum(each.isalpha() for each in text) > 4
)


@given(SECRET, st.sampled_from(sorted(SENTENCES.pieces)))
def test_whatever_stands_in_a_gap_of_a_sentence_stays(secret: str, pieces: tuple[str, ...]) -> None:
    planted = f"zq{secret}qz"
    told = SENTENCES.admit(planted.join(pieces))
    assert planted not in (told or "")
    assert secret.strip() not in (told or "") or secret.strip() in "".join(pieces)


@given(SECRET)
def test_whatever_this_release_never_says_stays(secret: str) -> None:
    planted = f"zq{secret}qz"
    for text in (planted, f"{REQUEST}: {planted}", f"{planted}. The disk is full. {planted}"):
        assert planted not in (SENTENCES.admit(text) or "")


@pytest.mark.parametrize("length", [100, 1_000, 100_000])
def test_a_long_line_of_somebody_elses_takes_no_time(length: int) -> None:
    text = "a: b. " * (length // 6)
    assert "b" not in (SENTENCES.admit(text) or "")


def test_sentences_are_those_of_the_source_and_no_docstring_and_no_single_word() -> None:
    found = sentences_in(
        [
            '"""A docstring of a module."""\nlog.warning("%s went %d times", a, b)\nx = f"There is no {y} here."\n'
            'z = "One sentence of it."\nclass R:\n    code = "some_code"\n    word = "word"\n'
        ]
    )
    assert found.plain == {"One sentence of it."}
    assert set(found.pieces) == {("", " went ", " times"), ("There is no ", " here.")}
    assert found.codes == {"some_code"}
    assert found.admit("There is no some_code here.") == "There is no some_code here."
    assert found.admit("There is no prompt here.") == f"There is no {GAP} here."
    assert found.admit("A docstring of a module.") is None
