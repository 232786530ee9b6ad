"""A vendor's home for tests: real files and keys, the cheapest key derivation, its own clock and randomness."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nacl.pwhash import argon2id

from licensing.keyfile import KdfLimits, RandomBytes
from licensing.trust import Trust
from licensing.vendor.home import Home, first_trust, make_home, make_keys
from licensing.vendor.issue import Terms
from licensing.vendor.operations import Delivered, issue_licence, sign_config_for
from licensing.vendor.operations_trust import Asked, Rotated, rotate_trust
from licensing.vendor.operations_usage import Reconciled, reconcile_usage
from licensing.vendor.unlock import Unlock
from media.passphrase import Passphrase
from tests.licensing.vendor.simulated_site import SimulatedSite

CHEAP = KdfLimits(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)
NOW = datetime(2026, 4, 1, 12, 0, 0, tzinfo=UTC)
WORDS = b"a passphrase for tests"
TERMS = Terms(customer="Example Works", edition="team", models=("*",), days=365, licence="lic-0001")


def repeatable(name: str) -> RandomBytes:
    """Bytes that look random, and are the same in every run."""
    counter = itertools.count()

    def random(size: int) -> bytes:
        return hashlib.shake_256(f"{name}/{next(counter)}".encode()).digest(size)

    return random


def words() -> Passphrase:
    return Passphrase(WORDS)


@dataclass
class VendorsDesk:
    """The operations of the desk, with everything usual filled in."""

    folder: Path
    home: Home
    random: RandomBytes
    now: datetime = NOW
    ask: Callable[[], Passphrase] = words

    @property
    def unlock(self) -> Unlock:
        return Unlock(self.ask)

    @property
    def trust(self) -> Trust:
        return self.home.trust().claims

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def issue(
        self, site: SimulatedSite, out: str = "licence.json", *, terms: Terms = TERMS, re_enrol: bool = False
    ) -> Delivered:
        request = self.file(f"request-of-{out}", site.request())
        return issue_licence(
            self.home,
            request,
            terms,
            self.folder / out,
            re_enrol=re_enrol,
            unlock=self.unlock,
            now=self.now,
            random=self.random,
        )

    def sign(self, text: bytes, out: str = "config.yaml.signed", *, site: str = "plant-7") -> Delivered:
        source = self.file("config.yaml", text)
        return sign_config_for(self.home, source, site, self.folder / out, unlock=self.unlock, now=self.now)

    def take(self, *files: bytes, receipts: Path | None = None) -> Reconciled:
        paths = [self.file(f"usage-{number}.signed.json", data) for number, data in enumerate(files)]
        return reconcile_usage(self.home, paths, receipts or self.folder, unlock=self.unlock, now=self.now)

    def rotate(self, **asked: Any) -> Rotated:
        """Proposes the next trust a day later, and adopts it where the home's root keys suffice."""
        self.now += timedelta(days=1)
        return rotate_trust(
            self.home, Asked(**asked), unlock=self.unlock, limits=CHEAP, now=self.now, random=self.random
        )

    def verdicts(self, *files: bytes) -> list[str]:
        return [finding.verdict.value for finding in self.take(*files).outcome.findings]

    def contents(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything in the memory, table by table."""
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(self.home.database)) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in sorted(tables)}


def vendors_desk(folder: Path, *, root_keys: int = 1, root_threshold: int = 1) -> VendorsDesk:
    random = repeatable("vendor")
    keys = make_keys(root_keys, random)
    trust = first_trust("Example Systems", keys, root_threshold=root_threshold, now=NOW)
    home = Home(folder / "vendor")
    make_home(home.path, keys, trust, passphrase=words(), limits=CHEAP, random=random)
    return VendorsDesk(folder, home, random)
