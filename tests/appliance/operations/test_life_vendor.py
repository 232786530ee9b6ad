"""The vendor of the state machine: which keys each role has in which generation, and what was withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from tests.appliance.papers import trust_bytes
from tests.licensing.documents import ROLE_KEYS, THRESHOLDS

ROLES = ("root", "licence", "config", "receipt", "time", "release")
MEMBERS = {"root": 3, "licence": 2, "config": 3, "receipt": 1, "time": 1, "release": 2}
WARDS = ("ward-1", "ward-2", "ward-3")


@dataclass
class Vendor:
    """What the vendor knows: the generation of each role's keys, and what was withdrawn."""

    version: int = 1
    generations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 1))
    revoked_keys: tuple[str, ...] = ()
    revoked_licences: tuple[str, ...] = ()

    def names(self, role: str) -> tuple[str, ...]:
        # The first generation are the keys of the trust that every test site pins.
        stem = {"config": "officer"}.get(role, role)
        generation = self.generations[role]
        return tuple(f"{stem}-{n}" if generation == 1 else f"{stem}-{generation}.{n}" for n in _numbers(role))

    def signers(self, role: str) -> tuple[str, ...]:
        """Enough keys that may sign."""
        usable = [name for name in self.names(role) if name not in self.revoked_keys]
        return tuple(usable[: THRESHOLDS[role]])

    def trust(self, *signers: str, **changes: Any) -> bytes:
        members = {
            "serial": self.version,
            "role_keys": {role: self.names(role) for role in ROLES},
            "epochs": dict(self.generations),
            "revoked_keys": self.revoked_keys,
            "revoked_licences": self.revoked_licences,
        }
        return trust_bytes(*signers, **(members | changes))

    def rotated(self, *roles: str) -> Vendor:
        generations = {name: number + (name in roles) for name, number in self.generations.items()}
        return replace(self, version=self.version + 1, generations=generations)


def _numbers(role: str) -> range:
    return range(1, MEMBERS[role] + 1)


def test_the_first_generation_are_the_keys_that_every_test_site_pins() -> None:
    vendor = Vendor()
    assert {role: vendor.names(role) for role in ROLES} == ROLE_KEYS
    assert vendor.trust("root-1", "root-2") == trust_bytes("root-1", "root-2")


def test_a_rotation_changes_every_key_of_its_roles_alone() -> None:
    before, after = Vendor(), Vendor().rotated("config")
    assert not set(before.names("config")) & set(after.names("config"))
    assert before.names("licence") == after.names("licence")
    assert (after.version, after.generations["config"]) == (2, 2)
