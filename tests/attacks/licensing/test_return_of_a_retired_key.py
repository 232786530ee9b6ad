"""Tries: a licence of the old key epoch with a huge serial, after the role's keys were rotated.

Meets: `serial_refused`.
"""

from __future__ import annotations

from tests.attacks.licensing.hostile import floor_at, import_licence, licence_file, meets


def test_an_epoch_never_falls() -> None:
    with meets("serial_refused"):
        import_licence(licence_file(serial=99_999), floor=floor_at(1, key_epoch=2))
