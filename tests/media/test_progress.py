"""A waiting person is told how far it is after a second, on one line that is gone at the end."""

from __future__ import annotations

from io import StringIO

from media.progress import ProgressLine


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_what_is_quick_tells_nothing() -> None:
    stream, clock = StringIO(), Clock()
    line = ProgressLine(stream, clock)
    line(0, 2, "usage-1")
    clock.seconds += 0.9
    line(1, 2, "usage-2")
    line.clear()
    assert stream.getvalue() == ""


def test_what_takes_longer_tells_on_one_line_and_takes_it_away() -> None:
    stream, clock = StringIO(), Clock()
    line = ProgressLine(stream, clock)
    clock.seconds += 1.1
    line(0, 2, "usage-1")
    line(1, 2, "usage-2")
    line.clear()
    line.clear()
    erase = "\r\x1b[K"
    assert stream.getvalue() == f"{erase}0 of 2: usage-1{erase}1 of 2: usage-2{erase}"


def test_a_name_moves_no_cursor() -> None:
    stream, clock = StringIO(), Clock()
    line = ProgressLine(stream, clock)
    clock.seconds += 2
    line(0, 1, "x\x1b[2J\n" + "y" * 500)
    said = stream.getvalue().removeprefix("\r\x1b[K")
    assert said.isprintable()
    assert len(said) < 80


def test_nobody_is_told_where_there_is_no_terminal() -> None:
    clock = Clock()
    line = ProgressLine(None, clock)
    clock.seconds += 60
    line(0, 1, "usage-1")
    line.clear()
