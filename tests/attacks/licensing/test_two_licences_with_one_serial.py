"""Tries: a second licence under a serial that was already accepted.

Meets: `serial_conflict`.
"""

from __future__ import annotations

from tests.attacks.licensing.hostile import floor_at, import_licence, licence_file, meets


def test_it_is_an_alarm() -> None:
    with meets("serial_conflict"):
        import_licence(licence_file(caps={}), floor=floor_at(7))
