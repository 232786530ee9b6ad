"""Tries: names that a terminal acts upon, that read backwards, differ only in case, are too many or too long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from media.beneath import ENTRY_LIMIT
from tests.attacks.media.hostile_stick import (
    assert_medium_refused,
    assert_terminal_is_safe,
    in_force,
    make_stick,
    outcomes,
    taken_from,
)

STRANGE = {
    "a line end": b"receipt-\nlicence.json",
    "clears the screen": b"\x1b[2J\x1b[1;1Hreceipt-1.signed.json",
    "sets the title": b"\x1b]0;owned\x07licence.json",
    "reads backwards": "licence\u202enosj.exe".encode(),
    "no UTF-8": b"\xff\xfe\xfd",
    "255 bytes": b"x" * 255,
    "a carriage return": b"licence.json\rAll is well.",
    "dots": b"...",
}


@pytest.mark.parametrize("name", STRANGE.values(), ids=STRANGE.keys())
def test_foreign_names_are_left_alone_and_never_shown_raw(tmp_path: Path, name: bytes) -> None:
    stick = make_stick(tmp_path)
    (stick.inbox / "config.yaml.signed").write_bytes(b"spoilt\n")
    for folder in (stick.inbox, stick.inbox.parent, stick.path):
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_bytes(b"foreign")
    assert outcomes(taken_from(stick))["licence"] == "new"
    assert_terminal_is_safe(stick, "document_malformed")


def test_a_folder_name_that_a_terminal_acts_upon_is_shown_harmless(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    (stick.inbox.parent / "\x1b[31mother\u202e").mkdir()
    (stick.inbox / "config.yaml.signed").write_bytes(b"spoilt\n")
    assert_terminal_is_safe(stick, "document_malformed")


def test_two_documents_that_differ_only_in_case_are_both_refused(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    (stick.inbox / "LICENCE.JSON").write_bytes((stick.inbox / "licence.json").read_bytes())
    taken = taken_from(stick)
    assert {each.refusal.code for each in taken if each.refusal} == {"media_not_regular", "licence_missing"}
    assert in_force(stick)["licence"] is False


def test_two_folders_that_differ_only_in_case_are_both_refused(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    (stick.path / "ao" / "to-site").mkdir(parents=True)
    assert_medium_refused(stick, "media_not_regular")


def test_more_names_than_anybody_carries_are_refused(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    for number in range(ENTRY_LIMIT + 1):
        (stick.inbox / f"{number}").touch()
    assert_medium_refused(stick, "media_too_large")
