"""The vendor's home: a folder with the private keys, the trust document and the memory; and how a new one is made.

    HOME/                        0700
    ├── keys/                    0700   one file a key, or a reference to one in a token, 0600
    ├── trust.json                      version 1, signed by the roots; goes to every site
    ├── trust-2.json                    each later version, once it is adopted; goes to every site
    ├── trust-3.proposed.json           a version that still lacks signatures
    └── vendor.db                0600   remembers every version adopted

Promise: a home is made whole or not at all. Everything is written into a folder beside it, which takes its name in one
step; a home that is there is never touched. The trust that is worked with is the newest that the memory knows, reached
from trust.json one version after the other, as a site reaches it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, get_args

from pydantic import ValidationError

from licensing.document import Verified, first_fault
from licensing.envelope import sign, to_json
from licensing.errors import LicensingError
from licensing.keyfile import SEED_SIZE, KdfLimits, RandomBytes
from licensing.shown import shown
from licensing.trust import KeyRecord, RoleName, RoleRecord, Trust, advance, pin
from licensing.vendor.errors import HomeExists, HomeMissing, HomeRefused, TermsRefused, TrustUnsettled
from licensing.vendor.key_files import AnyKey
from licensing.vendor.keyring import VendorKey, seal, write_key
from licensing.vendor.memory import Memory
from licensing.vendor.signers import load_signers
from licensing.vendor.unlock import Unlock
from media.errors import NotFound
from media.passphrase import Passphrase
from media.reader import LIMITS, read_document
from media.writer import write_document

ROOT_KEYS_LIMIT: Final = 16
ALL_ROLES: Final[tuple[RoleName, ...]] = get_args(RoleName)


@dataclass(frozen=True, slots=True)
class Home:
    """Where things are in a vendor's home."""

    path: Path

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def trust_file(self) -> Path:
        return self.path / "trust.json"

    @property
    def database(self) -> Path:
        return self.path / "vendor.db"

    def version_file(self, version: int) -> Path:
        """Where a version that was adopted lies."""
        return self.trust_file if version == 1 else self.path / f"trust-{version}.json"

    def proposal_file(self, version: int) -> Path:
        return self.path / f"trust-{version}.proposed.json"

    def trust(self) -> Verified[Trust]:
        """The newest version of the vendor's own trust."""
        return self.trusts()[-1]

    def trusts(self) -> tuple[Verified[Trust], ...]:
        """Every version from the first to the newest, verified one after the other as a site would.

        Raises HomeMissing, TrustUnsettled, MemoryRefused, and what `pin` refuses.
        """
        try:
            data = read_document(self.trust_file, limit=LIMITS["trust"])
        except NotFound as error:
            raise HomeMissing("There is no vendor's home here.", where=shown(str(self.path))) from error
        chain = [pin(data)]
        with self.memory() as memory, memory.transaction():
            remembered = memory.trusts()
        if remembered and remembered[0][0] != chain[0].digest:
            raise TrustUnsettled("This is not the version 1 that the memory knows.", where=shown(str(self.trust_file)))
        for _, document in remembered[1:]:
            try:
                chain.append(advance(chain[-1].claims, document))
            except LicensingError as error:
                raise TrustUnsettled(
                    f"What the memory has after trust version {len(chain)} does not follow on it: {error.message}",
                    where=shown(str(self.database)),
                ) from error
        return tuple(chain)

    def require_settled(self, memory: Memory, trust: Trust) -> None:
        """Within the transaction that something is signed in: that no newer version came meanwhile, and that none lies
        here which an older memory has forgotten. Raises TrustUnsettled."""
        if memory.newest_trust() != trust.serial:
            raise TrustUnsettled(
                "A newer version of the trust was adopted while this command ran.", remedy="Run the command again."
            )
        beyond = self.version_file(trust.serial + 1)
        if os.path.lexists(beyond):
            raise TrustUnsettled(
                f"The memory knows the trust up to version {trust.serial}, and a version after it lies here.",
                where=shown(str(beyond)),
                remedy="Find out why the memory is older than this file. To take it in: ao-vendor trust adopt FILE.",
            )

    def signers(self, trust: Trust, role: RoleName, unlock: Unlock) -> tuple[AnyKey, ...]:
        return load_signers(self.keys, trust, role, unlock)

    def memory(self) -> Memory:
        return Memory(self.database)


def make_keys(root_keys: int, random: RandomBytes) -> tuple[VendorKey, ...]:
    """The first keys of a vendor: so many for root, and one for each other role; no key has two roles."""
    count: dict[RoleName, int] = {role: root_keys if role == "root" else 1 for role in ALL_ROLES}
    return tuple(
        VendorKey(role, str(number), random(SEED_SIZE)) for role in ALL_ROLES for number in range(1, count[role] + 1)
    )


def first_trust(name: str, keys: tuple[VendorKey, ...], *, root_threshold: int, now: datetime) -> bytes:
    """Trust version 1 over these keys, signed by all of the roots. Raises TermsRefused."""
    try:
        trust = Trust(
            schema_version=1,
            serial=1,
            issued_at=now,
            vendor=name,
            keys={
                key.public_key.keyid: KeyRecord(algorithm=key.public_key.algorithm, public=key.public_key.public)
                for key in keys
            },
            roles={
                role: RoleRecord(
                    keys=tuple(key.public_key.keyid for key in keys if key.role == role),
                    threshold=root_threshold if role == "root" else 1,
                    epoch=1,
                )
                for role in ALL_ROLES
            },
        )
    except ValidationError as error:
        raise TermsRefused(
            f"These make no trust document: {first_fault(error)}.", remedy="Correct the name, or the root threshold."
        ) from error
    roots = [key for key in keys if key.role == "root"]
    return to_json(sign(Trust.payload_type(), trust.to_bytes(), roots))


def make_home(
    path: Path,
    keys: tuple[VendorKey, ...],
    trust: bytes,
    *,
    passphrase: Passphrase,
    limits: KdfLimits,
    random: RandomBytes,
) -> Verified[Trust]:
    """Puts a new home in place, whole. Raises HomeExists, HomeRefused, MediaError."""
    require_no_home(path)
    verified = pin(trust)
    with _staged(path, random) as staged:
        home = Home(staged)
        home.keys.mkdir(mode=0o700)
        for key in keys:
            write_key(home.keys, seal(key, passphrase, random=random, limits=limits))
        write_document(home.trust_file, trust)
        Memory.create(home.database).close()
    return verified


def require_no_home(path: Path) -> None:
    """Raises HomeExists if anything but an empty folder is there."""
    try:
        taken = next(path.iterdir(), None) is not None
    except FileNotFoundError:
        taken = False
    except OSError as error:
        raise HomeExists("There is something other than an empty folder here.", where=shown(str(path))) from error
    if taken:
        raise HomeExists("This folder is not empty, and no home is made over another.", where=shown(str(path)))


@contextlib.contextmanager
def _staged(path: Path, random: RandomBytes) -> Iterator[Path]:
    """A folder beside `path`, which is given that name when the block ends well and is gone when it does not."""
    target = path.resolve()
    staged = target.parent / f".{target.name}.{random(6).hex()}"
    where = shown(str(path))
    try:
        staged.mkdir(mode=0o700)
    except OSError as error:
        raise HomeRefused(
            f"No folder can be made here: {error.strerror}.",
            where=where,
            remedy="Name a home in a folder that is there and that you may write to.",
        ) from error
    try:
        yield staged
        _flush_folder(staged)
        # Takes the place of an empty folder, and fails on any other: two inits at once cannot both succeed.
        staged.rename(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise HomeRefused(
            f"The home cannot be put in place: {error.strerror}.",
            where=where,
            remedy="Name a home that is not there yet and is not itself a mounted volume.",
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _flush_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
