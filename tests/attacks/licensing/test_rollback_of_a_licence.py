"""Tries: importing last year's licence, which had more seats.

Meets: `serial_refused`.
"""

from __future__ import annotations

from tests.attacks.licensing.hostile import floor_at, import_licence, licence_file, meets


def test_an_older_serial_is_refused() -> None:
    with meets("serial_refused"):
        import_licence(licence_file(serial=6), floor=floor_at(7))


def test_the_next_one_comes_in() -> None:
    import_licence(licence_file(serial=8), floor=floor_at(7))
