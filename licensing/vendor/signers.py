"""Which keys of a home sign what: those that the trust names for the role, as many as it asks for, or all there are.

Promise: a key is opened only if it will sign. A folder or key file that others can reach is not used. Where fewer keys
are here than the role needs, those that are here sign, and the document is unfinished; where there are none, that is a
refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from licensing.algorithms import PublicKey
from licensing.keyfile import PublicKeyFile
from licensing.shown import shown
from licensing.trust import RoleName, RoleRecord, Trust
from licensing.vendor.countersign import usable
from licensing.vendor.errors import KeyMissing
from licensing.vendor.key_files import AnyKey, TokenReference, open_key, read_key_file
from licensing.vendor.keyring import require_private
from licensing.vendor.unlock import Unlock


@dataclass(frozen=True, slots=True)
class Held:
    """A key of the home, by what its file says openly."""

    path: Path
    public_key: PublicKey
    role: RoleName | None
    label: str
    in_token: bool

    @property
    def name(self) -> str:
        """What people call it: `licence-1`."""
        return f"{self.role}-{self.label}" if self.role else self.label


def held(folder: Path, role: RoleName | None = None) -> tuple[Held, ...]:
    """The keys in a home's folder, those for one role or all. Raises Exposed, HomeMissing, KeyDamaged."""
    require_private(folder, what="keys folder")
    found: list[Held] = []
    for path in sorted(folder.glob(f"{role}-*.json" if role else "*.json")):
        require_private(path, what="key file")
        file = read_key_file(path)
        if not isinstance(file, PublicKeyFile) and (role is None or file.role in (None, role)):
            in_token = isinstance(file, TokenReference)
            found.append(Held(path, file.public_key, file.role, file.label, in_token))
    return tuple(found)


def load_signers(folder: Path, trust: Trust, role: RoleName, unlock: Unlock) -> tuple[AnyKey, ...]:
    """As many of a role's keys as it needs, or as many as are here.

    Raises Exposed, HomeMissing, KeyMissing, KeyDamaged, PassphraseWrong, TokenRefused, PinWrong.
    """
    allowed = usable(trust, role)
    here = [each for each in held(folder, role) if each.public_key in allowed]
    chosen = choose(here, trust.roles[role])
    if not chosen:
        record = trust.roles[role]
        raise KeyMissing(
            f"0 of the {record.threshold} private keys that role {role!r} needs are here, as trust version "
            f"{trust.serial} names them.",
            where=shown(str(folder)),
        )
    return open_all(chosen, unlock)


def choose(here: Sequence[Held], record: RoleRecord) -> tuple[Held, ...]:
    """The first keys that satisfy what the role demands of each algorithm, then others up to the threshold."""
    chosen: list[Held] = []
    unique = list({each.public_key: each for each in here}.values())
    for algorithm, needed in record.at_least.items():
        chosen += [each for each in unique if each.public_key.algorithm == algorithm][:needed]
    rest = [each for each in unique if each not in chosen]
    chosen += rest[: max(record.threshold - len(chosen), 0)]
    return tuple(each for each in unique if each in chosen)


def load_keys(folder: Path, wanted: Collection[PublicKey], unlock: Unlock) -> tuple[AnyKey, ...]:
    """Every one of these keys that is here."""
    here = {each.public_key: each for each in held(folder) if each.public_key in wanted}
    return open_all(tuple(here.values()), unlock)


def open_all(chosen: Sequence[Held], unlock: Unlock) -> tuple[AnyKey, ...]:
    return tuple(open_key(each.path, unlock) for each in chosen)


def names_of(folder: Path) -> dict[str, str]:
    """What the keys of a home are called, by their ids; nothing where there is no home."""
    return {each.public_key.keyid: each.name for each in held(folder)} if folder.is_dir() else {}
