"""The file that workers count in: damaged, of another boot, or left in the middle of a change."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.access import region as words_of
from appliance.access.region import GROWTH, PAGE
from appliance.errors import ApplianceError
from tests.appliance.access.counted import account, admitted, ask, at, opened, taken


def _put(word: int, value: int) -> Callable[[Path], object]:
    def damage(file: Path) -> None:
        with file.open("r+b") as stream:
            stream.seek(8 * word)
            stream.write(struct.pack("<q", value))

    return damage


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


FIRST = PAGE
DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty, as after a power cut": lambda file: file.write_bytes(b""),
    "shorter than a page": lambda file: file.write_bytes(file.read_bytes()[:10]),
    "ends within its pages": lambda file: file.write_bytes(file.read_bytes()[: 8 * PAGE + 100]),
    "all zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "of another program": lambda file: file.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 600),
    "more pages than it has": _put(words_of.HEAD_PAGES, 10**9),
    "fewer than no pages": _put(words_of.HEAD_PAGES, -1),
    "a page of no kind": _put(FIRST, 77),
    "fewer calls than none": _put(FIRST + words_of.REQUEST_RING, -5),
    "more calls than can be": _put(FIRST + words_of.REQUEST_RING, 2**62),
    "a folder": _folder,
    "a link": _link,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_damaged_is_built_again_or_refused_and_never_admits_more(tmp_path: Path, damage: str) -> None:
    quota, whose = opened(tmp_path), account(rpm=20)
    assert admitted(quota, at(1000.0), 20, whose) == 20
    quota.close()
    DAMAGES[damage](tmp_path / "quota")
    try:
        after = opened(tmp_path)
        count = admitted(after, at(1000.5), 60, whose)
        again = admitted(opened(tmp_path), at(1000.6), 60, whose)
    except ApplianceError:
        return
    assert count + again <= 20
    assert admitted(after, at(1200.0), 60, whose) == 20, "it recovers once the minute is over"


def test_a_change_that_was_left_half_made_is_worked_out_again(tmp_path: Path) -> None:
    quota, whose = opened(tmp_path), account(rpm=5, concurrent=50, tpm=1000)
    for _ in range(3):
        taken(quota, at(10), whose, of=ask(10, 5))
    for word, wrong in ((words_of.REQUESTS, 99), (words_of.OPEN, 0), (words_of.RESERVED, 7), (words_of.TOKENS, 3)):
        _put(FIRST + word, wrong)(tmp_path / "quota")
    _put(words_of.HEAD_BUSY, 1)(tmp_path / "quota")
    used = quota.used(whose, at(11))
    assert (used["rpm"], used["concurrent"], used["tpm"]) == (3, 3, 0)
    assert admitted(quota, at(11), 9, whose, of=ask(10, 5)) == 2


def test_the_file_grows_by_many_accounts_at_once(tmp_path: Path) -> None:
    quota = opened(tmp_path)
    for number in range(GROWTH + 2):
        taken(quota, at(0), account(f"team {number}", rpm=1))
    pages = (tmp_path / "quota").stat().st_size // (8 * PAGE)
    assert pages == 1 + 2 * GROWTH


def test_nobody_else_may_read_or_follow_a_link_into_it(tmp_path: Path) -> None:
    opened(tmp_path).close()
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
