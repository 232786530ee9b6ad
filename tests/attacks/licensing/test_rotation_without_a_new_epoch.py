"""Tries: a role that changes hands within its key epoch, or goes back to an earlier one or vanishes, so that its old
serial floor holds the new keys' papers out or an old one is forgotten.

Meets: `serial_refused`.
"""

from __future__ import annotations

import pytest

from licensing.trust import advance
from tests.attacks.licensing.hostile import TRUST, meets, trust_file
from tests.licensing.documents import ROLE_KEYS, trust


@pytest.mark.parametrize("epoch", [1, 2])
def test_the_epoch_stays_or_falls(epoch: int) -> None:
    before = trust(epochs={"licence": 2})
    with meets("serial_refused"):
        advance(
            before,
            trust_file(
                *("root-1", "root-2"),
                serial=2,
                role_keys=dict(ROLE_KEYS) | {"licence": ("licence-7",)},
                epochs={"licence": epoch},
            ),
        )


def test_the_role_vanishes() -> None:
    without = {name: members for name, members in ROLE_KEYS.items() if name != "receipt"}
    with meets("serial_refused"):
        advance(TRUST, trust_file("root-1", "root-2", serial=2, role_keys=without))
