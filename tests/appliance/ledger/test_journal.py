"""The journal's lines: what was appended is read back, whatever became of the bytes around it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import StateUnwritable, StorageFull
from appliance.ledger.entry import Carried, Line, Outcome, interrupted
from appliance.ledger.journal import ENTRY_BYTES, Journal, Piece, left_open, read_from, segments, writer_is_dead
from tests.appliance.entries import begun, entry, line_bytes, lines_in, write_segment

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(TEXT, TEXT, st.integers(0, 2**53), st.sampled_from(Outcome))
def test_a_line_is_read_back_as_it_was_written(name: str, model: str, count: int, outcome: Outcome) -> None:
    opened = begun(name, model=model, estimated_prompt_tokens=count)
    ended = entry(name + "x", model=model, outcome=outcome, prompt_tokens=count, first_token_ms=None)
    data = line_bytes(opened) + line_bytes(ended)
    assert data.count(b"\n") == 2
    with _segment(data) as segment:
        assert read_from(segment, 0) == Piece((ended,), len(data), 0)
        assert list(left_open(segment)) == [opened]
    with _segment(line_bytes(opened) + line_bytes(Carried(name))) as segment:
        assert list(left_open(segment)) == []


@contextmanager
def _segment(data: bytes) -> Iterator[Path]:
    descriptor = os.memfd_create("segment")
    try:
        os.write(descriptor, data)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _read(data: bytes) -> tuple[list[str], int, int]:
    with _segment(data) as segment:
        piece = read_from(segment, 0)
    return [each.id for each in piece.entries], piece.upto, piece.damaged


def test_a_torn_tail_is_left_for_later_wherever_it_is_torn() -> None:
    whole = line_bytes(begun("a")) + line_bytes(entry("a"))
    for last in (line_bytes(begun("b")), line_bytes(entry("b"))):
        for cut in range(len(last)):
            assert _read(whole + last[:cut]) == (["a"], len(whole), 0)


def test_a_flipped_byte_costs_its_own_line_and_no_other() -> None:
    before, after = line_bytes(entry("a")), line_bytes(entry("c"))
    for hit in (line_bytes(entry("b")), line_bytes(begun("b"))):
        for place in range(len(hit) - 1):
            changed = bytearray(hit)
            changed[place] ^= 0x01
            assert _read(before + bytes(changed) + after) == (["a", "c"], len(before + hit + after), 1)


def test_a_line_end_that_is_lost_costs_the_two_lines_it_joined() -> None:
    a, b, c = (line_bytes(entry(name)) for name in "abc")
    assert _read(a + b[:-1] + b"\x0b" + c) == (["a"], len(a + b + c), 1)


@pytest.mark.parametrize(
    "garbage", [b"\n", b"00000000 {}\n", b"deadbeef {}\n", b"\xff" * 300 + b"\n", bytes(5000) + b"\n"]
)
def test_garbage_between_lines_is_skipped_and_counted(garbage: bytes) -> None:
    a, b = line_bytes(entry("a")), line_bytes(entry("b"))
    assert _read(a + garbage + b) == (["a", "b"], len(a + garbage + b), 1)


def test_an_entry_with_a_good_sum_that_cannot_be_understood_is_damage() -> None:
    data = b'{"line":"entry","id":"x"}'
    assert _read(b"%08x %b\n" % (zlib.crc32(data), data)) == ([], len(data) + 10, 1)


def test_a_segment_longer_than_one_read_is_read_in_pieces(tmp_path: Path) -> None:
    names = [f"{n:03}" for n in range(40)]
    segment = write_segment(tmp_path, "long", [entry(name) for name in names])
    found, offset = list[str](), 0
    while (piece := read_from(segment, offset, limit=1500)).upto > offset:
        found += [each.id for each in piece.entries]
        offset = piece.upto
    assert found == names
    assert offset == segment.stat().st_size


def test_what_began_and_did_not_end_was_left_open(tmp_path: Path) -> None:
    lines: list[Line] = [begun("a"), begun("b"), entry("a"), begun("c"), Carried("c"), begun("d")]
    assert [line.id for line in left_open(write_segment(tmp_path, "s", lines))] == ["b", "d"]


def test_the_entry_of_a_call_cut_off_says_when_that_was_noticed_and_bills_the_estimate() -> None:
    made = interrupted(begun("a", started_at=5000), 9000)
    assert (made.ended_at, made.outcome, made.estimated_prompt_tokens, made.prompt_tokens) == (
        9000,
        "interrupted",
        7,
        0,
    )
    assert interrupted(begun("a", started_at=5000), 4000).ended_at == 5000


def test_the_lock_tells_whether_the_writer_lives(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w")
    (segment,) = segments(tmp_path)
    assert not writer_is_dead(segment)
    journal.close()
    assert writer_is_dead(segment)


def test_a_segment_is_private_and_never_written_over(tmp_path: Path) -> None:
    Journal(tmp_path, "w").close()
    (segment,) = segments(tmp_path)
    assert segment.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StateUnwritable):
        Journal(tmp_path, "w")


def test_a_full_segment_is_followed_by_one_that_opens_with_what_is_still_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w", segment_bytes=400)
    for name in ("a", "b", "c"):
        journal.begin(begun(name))
    journal.end(entry("b"))
    journal.begin(begun("d"))
    assert journal.open_exchanges == 3
    journal.end(entry("a"))
    journal.close()
    files = segments(tmp_path)
    assert len(files) > 1
    opened = {line.id for file in files for line in left_open(file)}
    assert opened == {"c", "d"}
    for earlier in files[:-1]:
        assert list(left_open(earlier)) == []


def test_a_write_that_fails_is_told_and_leaves_the_line_before_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "w")
    journal.begin(begun("a"))
    real = os.write
    left = [30]

    def full_after_a_few_bytes(descriptor: int, data: bytes) -> int:
        if left[0] <= 0:
            raise OSError(28, "No space left on device")
        count = real(descriptor, data[: left[0]])
        left[0] -= count
        return count

    monkeypatch.setattr(os, "write", full_after_a_few_bytes)
    with pytest.raises(StorageFull):
        journal.begin(begun("b"))
    monkeypatch.undo()
    journal.end(entry("a"))
    journal.close()
    (segment,) = segments(tmp_path)
    assert lines_in(segment) == [begun("a"), entry("a")]
    assert read_from(segment, 0).damaged == 0


def test_a_short_write_while_a_segment_is_closed_leaves_nothing_open_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a call that still runs is billed as interrupted, and its own entry comes too late."""
    journal = Journal(tmp_path, "w", segment_bytes=200)
    journal.begin(begun("a"))
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:11]))
    journal.begin(begun("b"))
    monkeypatch.undo()
    first, second = segments(tmp_path)
    assert writer_is_dead(first)
    assert list(left_open(first)) == []
    assert {line.id for line in left_open(second)} == {"a", "b"}
    journal.close()


class BadDisk:
    """Lets the calls of `os` fail that it is told to, for as long as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing: dict[str, int] = {}
        for name in ("write", "fdatasync", "open"):
            monkeypatch.setattr(os, name, self._guarded(name, getattr(os, name)))

    def _guarded(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if number := self.failing.get(name):
                raise OSError(number, os.strerror(number))
            return real(*arguments, **named)

        return call


def test_after_a_failed_sync_nothing_is_taken_for_durable_that_was_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may have dropped the pages, and calls the next sync of that file good."""
    disk = BadDisk(monkeypatch)
    journal = Journal(tmp_path, "w")
    journal.begin(begun("early"))
    journal.sync()
    journal.begin(begun("a"))
    journal.end(entry("a"))
    journal.begin(begun("b"))
    sync = journal.begin_sync()
    assert sync is not None
    disk.failing = {"fdatasync": 5}
    fault = sync.flush()
    assert fault is not None
    disk.failing = {}
    journal.finish_sync(sync, fault)
    first, second = segments(tmp_path)
    assert writer_is_dead(first)
    ids = [line.id for line in lines_in(second)]
    assert {"early", "a", "b"} <= set(ids)
    assert entry("a") in lines_in(second)
    journal.end(entry("b"))
    journal.close()


def test_while_a_bad_disk_takes_no_new_segment_no_call_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = BadDisk(monkeypatch)
    journal = Journal(tmp_path, "w")
    journal.begin(begun("a"))
    disk.failing = {"fdatasync": 5, "open": 5}
    for _ in range(3):
        with pytest.raises(StateUnwritable):
            journal.sync()
    with pytest.raises(StateUnwritable):
        journal.begin(begun("b"))
    assert isinstance(journal.refusal(), StateUnwritable)
    journal.end(entry("a"))
    disk.failing = {}
    journal.sync()
    assert journal.refusal() is None
    journal.begin(begun("b"))
    last = segments(tmp_path)[-1]
    assert {line.id for line in lines_in(last)} == {"a", "b"}
    assert entry("a") in lines_in(last)
    journal.close()


def test_an_end_that_cannot_be_written_is_kept_and_written_as_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = BadDisk(monkeypatch)
    journal = Journal(tmp_path, "w")
    journal.begin(begun("a"))
    disk.failing = {"write": 28}
    with pytest.raises(StorageFull):
        journal.end(entry("a", prompt_tokens=99))
    disk.failing = {}
    journal.close()
    (segment,) = segments(tmp_path)
    assert read_from(segment, 0).entries == (entry("a", prompt_tokens=99, outcome=Outcome.FAULT),)
    assert list(left_open(segment)) == []


def test_room_for_every_end_is_set_aside_and_given_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w")
    for number in range(100):
        journal.begin(begun(f"x{number}"))
    (segment,) = segments(tmp_path)
    held = segment.stat()
    assert held.st_blocks * 512 >= held.st_size + 100 * ENTRY_BYTES
    longest: dict[str, Any] = {
        "org": "\N{GRINNING FACE}" * 64,
        "team": '"' * 64,
        "model": "m" * 128,
        "deployment": "m" * 134,
    }
    for number in range(100):
        journal.end(entry(f"x{number}", **longest))
    assert (segment.stat().st_size - held.st_size) / 100 < ENTRY_BYTES
    journal.close()
    assert segment.stat().st_blocks * 512 < segment.stat().st_size + 64 * 1024


def test_less_free_than_is_to_be_kept_is_a_full_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w", keep_free=2**62)
    refusal = journal.refusal()
    assert isinstance(refusal, StorageFull)
    assert (refusal.code, refusal.http_status, refusal.exit_code) == ("storage_full", 507, 82)
    journal.close()
