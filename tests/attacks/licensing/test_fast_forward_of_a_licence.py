"""Tries: with a leaked licence key, a huge serial, so that no honest licence can ever follow.

Meets: no lock-out: the floor belongs to the key epoch, and the first licence of the new keys comes in; what the old
key signs then is `signature_refused`.
"""

from __future__ import annotations

from tests.attacks.licensing.hostile import floor_at, import_licence, licence_file, meets
from tests.licensing.documents import ROLE_KEYS, key, licence_members, signed, trust


def test_the_repair_comes_in_and_the_leaked_key_stays_out() -> None:
    poisoned = floor_at(2**40)
    repaired = trust(role_keys=dict(ROLE_KEYS) | {"licence": ("licence-7",)}, epochs={"licence": 2})
    import_licence(signed("licence", licence_members(serial=8), key("licence-7")), into=repaired, floor=poisoned)
    with meets("signature_refused"):
        import_licence(licence_file(serial=2**40 + 1), into=repaired, floor=poisoned)
