"""The releases that the hosts are given: this checkout's, and others that differ from it in one thing each."""

from __future__ import annotations

import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.facts import read_facts
from bundle.release import describe
from bundle.run_file import header, kibibytes, name_of
from tests.installer.releases import changed
from tests.packaging.made import Made, made, runtime_is_kept
from tests.real.site_and_vendor import Vendor

NEWER = 9000
"""The schema of the state that some of them bring."""
MIGRATION = "appliance/state/migrations/9000_later.sql"
ADDS = (
    "CREATE TABLE later (id INTEGER PRIMARY KEY);\n"
    "ALTER TABLE api_keys ADD COLUMN later TEXT;\n"
    "ALTER TABLE ledger ADD COLUMN later TEXT;\n"
)
LOSES = f"{ADDS}DELETE FROM ledger WHERE id = (SELECT id FROM ledger ORDER BY ended_at DESC LIMIT 1);\n"
FACTS = {"schemas": {"state": NEWER, "documents": 1}}
NEVER_READY = {"appliance/gateway/endpoints.py": ("503 if refusal else 200", "503")}
NO_WAY_BACK = {"appliance/state/schema.py": ("RETURNS_TO = 6\n", f"RETURNS_TO = {NEWER}\n")}


@dataclass(frozen=True)
class Releases:
    """`folder` holds `first.run`, an unpacked tree a version, and `delivery` with what the vendor signed."""

    folder: Path
    first: Made

    @classmethod
    def beside(cls, folder: Path) -> Releases:
        """0.1.0 is this checkout, as the file that is carried in; the others come after it."""
        arch = os.uname().machine
        if not runtime_is_kept(arch):
            pytest.skip("no runtime is kept here: make runtime, or name the folder of one with AO_RUNTIME_CACHE")
        first = made(arch)
        assert first.facts.version == "0.1.0", "the others come after this one"
        shutil.copy(first.run_file, folder / "first.run")
        return cls(folder, first)

    def same(self, version: str) -> None:
        """No other but by its name."""
        changed(self.first.tree, self.folder / version, version=version)

    def never_ready(self, version: str) -> None:
        """Brings another schema, and never says that it is ready."""
        added = {MIGRATION: ADDS}
        changed(self.first.tree, self.folder / version, version=version, added=added, facts=FACTS, edits=NEVER_READY)

    def loses(self, version: str) -> None:
        """Its migration loses an exchange of the ledger."""
        changed(self.first.tree, self.folder / version, version=version, added={MIGRATION: LOSES}, facts=FACTS)

    def no_way_back(self, version: str) -> None:
        """Says that its state cannot be told to an older release."""
        added = {MIGRATION: ADDS}
        changed(self.first.tree, self.folder / version, version=version, added=added, facts=FACTS, edits=NO_WAY_BACK)

    def signed(self, version: str, vendor: Vendor) -> None:
        """Brings another schema, and comes as a file that the vendor has signed."""
        added = {MIGRATION: ADDS}
        tree = changed(self.first.tree, self.folder / version, version=version, added=added, facts=FACTS)
        delivery = self.folder / "delivery"
        file = _carried_in(tree, delivery)
        unsigned = describe(delivery, [read_facts(tree)], [file])
        vendor.command("release", "sign", str(unsigned), "--out", str(delivery / "release.json"))

    def file_of(self, version: str) -> str | None:
        """The name of the signed file of a version, if it came as one."""
        found = sorted((self.folder / "delivery").glob(f"*-{version}-*.run"))
        return found[0].name if found else None


def _carried_in(tree: Path, into: Path) -> Path:
    """The file that the bundle would make, packed with less patience."""
    into.mkdir()
    facts, payload = read_facts(tree), into / "payload"
    with tarfile.open(payload, "w:gz", compresslevel=1) as archive:
        for each in sorted(tree.iterdir()):
            archive.add(each, each.name)
    file = into / name_of(facts)
    file.write_bytes(header(facts, payload, room=kibibytes(tree)) + payload.read_bytes())
    payload.unlink()
    return file
