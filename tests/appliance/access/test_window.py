"""The licence's caps hold exactly: in every interval, whatever becomes of the file and of the cap."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access.window import WINDOW_SECONDS, RateWindow
from appliance.errors import ApplianceError

BOOT = b"first boot......"
TIMES = st.lists(st.floats(-2, 40).map(lambda gap: round(gap, 3)), min_size=1, max_size=120)


def opened(folder: Path, rpm: int | None = None, boot: bytes = BOOT) -> RateWindow:
    return RateWindow(folder / "rate-window", rpm=rpm, boot_id=boot)


def admitted(window: RateWindow, now: float, attempts: int, *, rpm: int | None, tpm: int | None = None) -> int:
    return sum(window.admit(now, rpm=rpm, tpm=tpm).limit is None for _ in range(attempts))


@given(st.integers(1, 12), TIMES)
@settings(max_examples=80, deadline=None)
def test_no_interval_of_a_minute_holds_more_calls_than_the_cap(rpm: int, gaps: list[float]) -> None:
    """Times may step back, as between two processes; where they do not, no call is refused for which there is room."""
    with TemporaryDirectory() as folder:
        window = opened(Path(folder), rpm)
        now, stamps = 1000.0, list[float]()
        for gap in gaps:
            now += gap
            room = sum(now - stamp < WINDOW_SECONDS for stamp in stamps) < rpm
            decision = window.admit(now, rpm=rpm, tpm=None)
            if decision.limit is None:
                stamps.append(now)
            else:
                assert decision.limit == "requests"
                assert not room or min(gaps) < 0
                assert decision.retry_after > 0
        window.close()
        for stamp in stamps:
            assert sum(stamp <= other < stamp + WINDOW_SECONDS for other in stamps) <= rpm


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 1.0, 7.0, 30.0, 59.9, 60.0, 61.0, 200.0]), st.integers(1, 40)),
        min_size=1,
        max_size=80,
    )
)
@settings(max_examples=80, deadline=None)
def test_what_remains_is_what_the_last_minute_leaves_also_when_the_cap_changes(calls: list[tuple[float, int]]) -> None:
    with TemporaryDirectory() as folder:
        window = opened(Path(folder), 1)
        now, stamps = 1000.0, list[float]()
        for gap, rpm in calls:
            now += gap
            decision = window.admit(now, rpm=rpm, tpm=None)
            if decision.limit is None:
                stamps.append(now)
                inside = [stamp for stamp in stamps if now - stamp < WINDOW_SECONDS]
                assert decision.remaining == rpm - len(inside)
                assert decision.reset_after == pytest.approx(WINDOW_SECONDS - (now - inside[0]))
        window.close()


@given(st.integers(1, 10), st.lists(st.sampled_from([0.0, 0.1, 7.0, 59.9, 60.0, 61.0]), max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_refused_call_is_admitted_after_the_wait_it_was_told(rpm: int, gaps: list[float]) -> None:
    with TemporaryDirectory() as folder:
        window = opened(Path(folder), rpm)
        now = 1000.0
        for gap in gaps:
            now += gap
            decision = window.admit(now, rpm=rpm, tpm=None)
            if decision.limit is not None:
                now = math.nextafter(now + decision.retry_after, math.inf)
                assert window.admit(now, rpm=rpm, tpm=None).limit is None
        window.close()


def test_what_remains_counts_down_and_comes_back(tmp_path: Path) -> None:
    window = opened(tmp_path, 3)
    assert [window.admit(1000.0 + n, rpm=3, tpm=None).remaining for n in range(4)] == [2, 1, 0, 0]
    decision = window.admit(1003.0, rpm=3, tpm=None)
    assert (decision.limit, decision.retry_after) == ("requests", 57.0)
    assert window.admit(1060.0, rpm=3, tpm=None).remaining == 0
    assert window.admit(1200.0, rpm=3, tpm=None).remaining == 2


def test_no_cap_admits_everything(tmp_path: Path) -> None:
    window = opened(tmp_path)
    assert admitted(window, 1000.0, 5000, rpm=None) == 5000


def test_a_new_opening_of_the_same_boot_keeps_the_history(tmp_path: Path) -> None:
    first = opened(tmp_path, 50)
    assert admitted(first, 1000.0, 40, rpm=50) == 40
    first.close()
    assert admitted(opened(tmp_path, 50), 1001.0, 100, rpm=50) == 10


def test_another_boot_starts_afresh(tmp_path: Path) -> None:
    first = opened(tmp_path, 50)
    assert admitted(first, 90_000.0, 50, rpm=50) == 50
    assert admitted(opened(tmp_path, 50, b"second boot....."), 12.0, 100, rpm=50) == 50


def test_a_raised_cap_admits_the_difference(tmp_path: Path) -> None:
    window = opened(tmp_path, 600)
    assert admitted(window, 1000.0, 700, rpm=600) == 600
    assert admitted(window, 1001.0, 5000, rpm=3000) == 2400
    assert admitted(opened(tmp_path, 3000), 1002.0, 10, rpm=3000) == 0


def test_a_lowered_cap_holds_at_once(tmp_path: Path) -> None:
    window = opened(tmp_path, 3000)
    assert admitted(window, 1000.0, 1000, rpm=3000) == 1000
    assert admitted(window, 1001.0, 10, rpm=600) == 0
    assert admitted(window, 1060.5, 700, rpm=600) == 600


def test_a_larger_cap_in_one_process_is_seen_by_another(tmp_path: Path) -> None:
    small, large = opened(tmp_path, 600), opened(tmp_path, 600)
    assert admitted(small, 1000.0, 600, rpm=600) == 600
    assert admitted(large, 1000.0, 5000, rpm=4000) == 3400
    assert admitted(small, 1000.0, 10, rpm=600) == 0
    assert admitted(small, 1000.0, 10, rpm=4000) == 0


def test_a_cap_counts_from_the_moment_it_is_in_force(tmp_path: Path) -> None:
    window = opened(tmp_path)
    assert admitted(window, 1000.0, 3000, rpm=None) == 3000
    assert admitted(window, 1001.0, 5000, rpm=2000) == 2000


def test_no_call_is_admitted_once_the_minute_holds_the_tokens(tmp_path: Path) -> None:
    window = opened(tmp_path)
    assert window.admit(1000.0, rpm=None, tpm=100).limit is None
    window.add_tokens(1000.0, 60)
    assert window.admit(1010.0, rpm=None, tpm=100).limit is None
    window.add_tokens(1010.0, 40)
    decision = window.admit(1011.0, rpm=None, tpm=100)
    assert decision.limit == "tokens"
    assert window.admit(1011.0 + decision.retry_after, rpm=None, tpm=100).limit is None


def test_counts_that_are_no_tokens_change_nothing(tmp_path: Path) -> None:
    window = opened(tmp_path)
    window.add_tokens(1000.0, 0)
    window.add_tokens(1000.0, -500)
    assert window.admit(1000.0, rpm=None, tpm=1).limit is None


@given(st.integers(1, 300), st.lists(st.tuples(st.sampled_from([0.0, 0.5, 3.0, 30.0, 61.0]), st.integers(0, 120))))
@settings(max_examples=60, deadline=None)
def test_tokens_of_the_last_minute_are_never_forgotten(tpm: int, steps: list[tuple[float, int]]) -> None:
    with TemporaryDirectory() as folder:
        window = opened(Path(folder))
        now, used = 1000.0, list[tuple[float, int]]()
        for gap, tokens in steps:
            now += gap
            if sum(count for at, count in used if now - at < WINDOW_SECONDS) >= tpm:
                assert window.admit(now, rpm=None, tpm=tpm).limit == "tokens"
            window.add_tokens(now, tokens)
            used.append((now, tokens))
        window.close()


# -- a file that is not what this window wrote -------------------------------------------------------------------------

HEADER = struct.Struct("<QQQQ16s")


def _rewritten(change: Callable[[bytearray], None]) -> Callable[[Path], object]:
    def damage(file: Path) -> None:
        image = bytearray(file.read_bytes())
        change(image)
        file.write_bytes(bytes(image))

    return damage


def _header(image: bytearray, **changes: int) -> None:
    magic, capacity, count, intended, boot = HEADER.unpack_from(image, 0)
    known = {"magic": magic, "capacity": capacity, "count": count, "intended": intended} | changes
    HEADER.pack_into(image, 0, known["magic"], known["capacity"], known["count"], known["intended"], boot)


def _stamps(value: float) -> Callable[[bytearray], None]:
    def change(image: bytearray) -> None:
        for place in range(len(image) - 8 * 1024, len(image), 8):
            struct.pack_into("<d", image, place, value)

    return change


def _replaced_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _replaced_by_a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty, as after a power cut": lambda file: file.write_bytes(b""),
    "shorter than its header": lambda file: file.write_bytes(file.read_bytes()[:10]),
    "ends within its ring": lambda file: file.write_bytes(file.read_bytes()[:1100]),
    "all zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "of another program": lambda file: file.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 40),
    "a capacity beyond its end": _rewritten(lambda image: _header(image, capacity=10**9, count=10**6, intended=10**6)),
    "no capacity": _rewritten(lambda image: _header(image, capacity=0)),
    "the largest count": _rewritten(lambda image: _header(image, count=2**64 - 1, intended=2**64 - 1)),
    "a count that fell": _rewritten(lambda image: _header(image, count=0)),
    "stamps that are no numbers": _rewritten(_stamps(math.nan)),
    "stamps without end": _rewritten(_stamps(math.inf)),
    "a folder": _replaced_by_a_folder,
    "a link": _replaced_by_a_link,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_window_that_is_damaged_is_built_again_or_refused_and_never_admits_more(tmp_path: Path, damage: str) -> None:
    window = opened(tmp_path, 20)
    assert admitted(window, 1000.0, 20, rpm=20) == 20
    window.close()
    DAMAGES[damage](tmp_path / "rate-window")
    try:
        after = opened(tmp_path, 20)
        count = admitted(after, 1000.5, 60, rpm=20)
        again = admitted(opened(tmp_path, 20), 1000.6, 60, rpm=20)
    except ApplianceError:
        return
    assert count + again <= 20
    assert admitted(after, 1200.0, 60, rpm=20) == 20, "the window recovers once the minute is over"
