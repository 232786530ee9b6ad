"""The state of one site: who it is, the documents it has accepted, its time floor.

Promise: what is in force is read back as the bytes that came in and verified again against the pinned trust each time,
so that editing the database achieves nothing. A document comes in together with its floor, in one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from appliance import host_process
from appliance.access.authorise import (
    Permission,
    Principal,
    Scope,
    authorise,
    authorise_somewhere,
    host_principal,
)
from appliance.errors import AlreadyInitialised, NotInitialised, StateDamaged, StateUnwritable
from appliance.observe import audit
from appliance.state.at_rest import (
    decrypted,
    encrypt_what_an_earlier_release_stored,
    encrypted,
    is_encrypted,
)
from appliance.state.board import Board
from appliance.state.database import Connection, DatabaseFault, DatabaseUnwritable, open_database, transaction
from appliance.state.outgoing import enqueue
from appliance.state.site_key import ENTROPY_BYTES as SITE_KEY_ENTROPY_BYTES
from appliance.state.site_key import SiteKey, create_site_key, load_site_key
from licensing.clock import Step, TimeFloor, observe_boot, witness
from licensing.document import Verified, format_time, parse_time
from licensing.errors import Refusal
from licensing.licence import Licence, open_licence
from licensing.ratchet import Arrival, Floor, arrive
from licensing.trust import Trust, pin, walk
from media.reader import read_document
from media.writer import write_document

DATABASE = "ao.db"
SITE_KEY = "site.key"
TRUST_PIN = "trust.pin"
"""The digest that the operator compared at the start. Kept apart from the database, which is edited more easily."""

_PIN_LIMIT = 256
CHALLENGE_BYTES = 16
ENTROPY_BYTES = SITE_KEY_ENTROPY_BYTES + CHALLENGE_BYTES


class Issued(Protocol):
    """What every signed document says of itself."""

    @property
    def serial(self) -> int: ...

    @property
    def issued_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Site:
    """An opened state folder. `by` is who acts on it: what they may do, and what the audit trail calls them."""

    folder: Path
    database: Connection
    key: SiteKey
    board: Board
    id: str
    name: str
    epoch: int
    created_at: datetime
    by: Principal

    @property
    def actor(self) -> str:
        return self.by.name

    def require(self, permission: Permission, org: str | None = None, team: str | None = None) -> None:
        """What every administrative operation asks first. Raises NotPermitted."""
        authorise(self.by, permission, Scope(org, team))

    def require_somewhere(self, permission: Permission) -> None:
        """What an operation asks that must look up first which org or team it is about. Raises NotPermitted."""
        authorise_somewhere(self.by, permission)

    def sees(self, permission: Permission, org: str, team: str | None = None) -> bool:
        """Whether a list shows what belongs to this org or team."""
        return self.by.may(permission, Scope(org, team))

    @property
    def journal_folder(self) -> Path:
        return self.folder / "journal"

    def close(self) -> None:
        self.database.close()
        self.board.close()

    def trust(self) -> Trust:
        """The trust in force: version 1 as pinned, and every step since, each verified again. Raises StateDamaged."""
        try:
            rows = self.database.execute("SELECT bytes FROM documents WHERE role = 'root' ORDER BY serial").fetchall()
            current, pinned = walk(tuple(bytes(row["bytes"]) for row in rows))
            if read_document(self.folder / TRUST_PIN, limit=_PIN_LIMIT).decode().strip() != pinned:
                raise StateDamaged("The trust in the database is not the one that was pinned.", where=str(self.folder))
        except StateDamaged:
            raise
        except (Refusal, DatabaseFault, UnicodeDecodeError) as exc:
            raise StateDamaged(f"The pinned trust cannot be read: {exc}", where=str(self.folder / DATABASE)) from exc
        return current

    def licence(self, trust: Trust) -> Verified[Licence] | Refusal | None:
        """The licence in force, or why it cannot be read, or None: exactly what `standing.judge` wants."""
        data = self.document("licence")
        if data is None:
            return None
        try:
            return open_licence(data, trust)
        except Refusal as refusal:
            return refusal

    def document(self, slot: str) -> bytes | None:
        """The bytes of the document in force in a slot: `licence`, `config`, `receipt`."""
        row = self.database.execute(
            "SELECT bytes FROM in_force JOIN documents USING (role, key_epoch, serial) WHERE slot = ?", (slot,)
        ).fetchone()
        return self._plain(bytes(row["bytes"])) if row else None

    def document_of(self, floor: Floor) -> bytes | None:
        """The bytes of any document that this site has accepted and kept."""
        row = self.database.execute(
            "SELECT bytes FROM documents WHERE (role, key_epoch, serial, digest) = (?, ?, ?, ?)",
            (floor.role, floor.key_epoch, floor.serial, floor.digest),
        ).fetchone()
        return self._plain(bytes(row["bytes"])) if row else None

    def _plain(self, stored: bytes) -> bytes:
        return decrypted(stored, self.key.rest_key) if is_encrypted(stored) else stored

    def has_in_force(self, slot: str, verified: Verified[Issued], data: bytes) -> bool:
        """Whether these very bytes are in force already: only then is bringing them again a no-op."""
        in_force = self.in_force(slot)
        return (
            in_force is not None
            and (in_force.role, in_force.key_epoch, in_force.serial)
            == (verified.role, verified.key_epoch, verified.claims.serial)
            and self.document(slot) == data
        )

    def in_force(self, slot: str) -> Floor | None:
        """Which document is in force in a slot."""
        row = self.database.execute("SELECT * FROM in_force WHERE slot = ?", (slot,)).fetchone()
        return Floor(row["role"], row["key_epoch"], row["serial"], row["digest"]) if row else None

    def floor_of(self, role: str) -> Floor | None:
        """The highest document ever accepted for a role: the ratchet's floor."""
        row = self.database.execute(
            "SELECT * FROM documents WHERE role = ? ORDER BY key_epoch DESC, serial DESC LIMIT 1", (role,)
        ).fetchone()
        return Floor(row["role"], row["key_epoch"], row["serial"], row["digest"]) if row else None

    def accept(
        self,
        verified: Verified[Issued],
        data: bytes,
        *,
        slot: str,
        now: datetime,
        before_commit: Callable[[], None] = lambda: None,
    ) -> Arrival:
        """Puts a verified document in force in its slot, raises its floor and the time floor, all in one transaction.

        `before_commit` runs inside it. Raises SerialRefused, SerialConflict; then nothing has changed.
        """
        role, epoch = verified.role, verified.key_epoch
        serial, issued_at = verified.claims.serial, verified.claims.issued_at
        with transaction(self.database) as db:
            held = self.in_force(slot)
            arrival = arrive(self.floor_of(role), role=role, key_epoch=epoch, serial=serial, digest=verified.digest)
            fresh = not self.has_in_force(slot, verified, data)
            if fresh:
                db.execute(
                    # The same document again replaces its stored bytes, which may not verify any more; these just did.
                    "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)",
                    (role, epoch, serial, verified.digest, self._to_store(slot, data), format_time(now)),
                )
                db.execute(
                    "INSERT OR REPLACE INTO in_force VALUES (?, ?, ?, ?, ?)",
                    (slot, role, epoch, serial, verified.digest),
                )
                if slot == "config":
                    self._note_config("import", Floor(role, epoch, serial, verified.digest), now)
            if arrival is Arrival.NEW:
                self._store_floor(witness(self.time_floor(), issued_at, f"the {role} document with serial {serial}"))
            before_commit()
            if fresh:
                self._record_arrival(verified, slot, held, now)
        self.board.raise_generation()
        return arrival

    def put_back_config(self, former: Floor, now: datetime, *, before_commit: Callable[[], None]) -> None:
        """Puts a config in force that was in force before. The floor stays where it is."""
        with transaction(self.database) as db:
            held = self.in_force("config")
            db.execute(
                "INSERT OR REPLACE INTO in_force VALUES ('config', ?, ?, ?, ?)",
                (former.role, former.key_epoch, former.serial, former.digest),
            )
            self._note_config("rollback", former, now)
            before_commit()
            subject = f"{former.role} serial {former.serial}, key epoch {former.key_epoch}"
            self.record("config.rollback", subject, now, before=held.digest if held else None, after=former.digest)
        self.board.raise_generation()

    def _to_store(self, slot: str, data: bytes) -> bytes:
        return encrypted(data, self.key.rest_key) if slot == "config" else data

    def _note_config(self, how: str, config: Floor, now: datetime) -> None:
        self.database.execute(
            "INSERT INTO config_history (at, how, who, role, key_epoch, serial, digest) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (format_time(now), how, self.actor, config.role, config.key_epoch, config.serial, config.digest),
        )

    def _record_arrival(self, verified: Verified[Issued], slot: str, held: Floor | None, now: datetime) -> None:
        subject = f"{verified.role} serial {verified.claims.serial}, key epoch {verified.key_epoch}"
        before = held.digest if held else None
        self.record(f"{slot}.import", subject, now, before=before, after=verified.digest)

    def record(
        self,
        act: str,
        subject: str,
        now: datetime,
        *,
        before: str | None = None,
        after: str | None = None,
        detail: Mapping[str, str | int] | None = None,
    ) -> None:
        """Adds an entry to the audit trail; inside the transaction of the act itself. It tells from where, unless that
        is the host."""
        origin = {} if self.by.at_host else {"from": self.by.source}
        entry = audit.Act(self.actor, act, subject, before, after, {**(detail or {}), **origin})
        audit.append(self.database, self.key.hash_key, entry, now)

    def verify_audit(self) -> audit.Verdict:
        return audit.verify(self.database, self.key.hash_key)

    def time_floor(self) -> TimeFloor:
        row = self.database.execute("SELECT at, source FROM time_floor").fetchone()
        try:
            return TimeFloor(parse_time(row["at"]), str(row["source"]))
        except (ValueError, TypeError) as exc:
            raise StateDamaged("The time floor cannot be read.", where=str(self.folder / DATABASE)) from exc

    def raise_time_floor(self, change: Callable[[TimeFloor], TimeFloor]) -> TimeFloor:
        """Applies a pure change from licensing.clock; the floor kept is never lower than before."""
        with transaction(self.database):
            before = self.time_floor()
            after = change(before)
            if after.at > before.at:
                self._store_floor(after)
                return after
        return before

    def observe_boot(self, boot_id: str, wall: datetime, tolerance: timedelta) -> None:
        """Grants the boot allowance, once per boot of the host: restarting the gateway earns nothing."""
        with transaction(self.database) as db:
            if db.execute("SELECT boot_id FROM time_floor").fetchone()["boot_id"] != boot_id:
                self._store_floor(observe_boot(self.time_floor(), wall, tolerance))
                db.execute("UPDATE time_floor SET boot_id = ?", (boot_id,))

    def _store_floor(self, floor: TimeFloor) -> None:
        self.database.execute("UPDATE time_floor SET at = ?, source = ?", (format_time(floor.at), floor.source))

    def record_step(self, step: Step) -> None:
        with transaction(self.database) as db:
            db.execute("INSERT INTO clock_steps (at, seconds) VALUES (?, ?)", (format_time(step.at), step.seconds))
            enqueue(db, "clock.stepped", {"at": format_time(step.at), "seconds": step.seconds}, step.at)

    @property
    def challenge(self) -> str:
        """What a time token must answer; another one as soon as a token has."""
        return str(self.database.execute("SELECT challenge FROM site").fetchone()["challenge"])

    def put_repaired_floor(self, floor: TimeFloor, fresh_challenge: str) -> None:
        """The one way for the floor to fall: a time token's hour, and the challenge it answered is gone with it.

        Only within the transaction that accepts the token (`accept`'s `before_commit`).
        """
        self._store_floor(floor)
        self.database.execute("UPDATE site SET challenge = ?", (fresh_challenge,))

    def next_request_serial(self) -> int:
        with transaction(self.database) as db:
            db.execute("UPDATE site SET request_serial = request_serial + 1")
            return int(db.execute("SELECT request_serial FROM site").fetchone()[0])


def create_site(
    folder: Path, *, site: str, name: str, trust: bytes, now: datetime, build_time: datetime, entropy: bytes
) -> Site:
    """Makes a state folder with a new site key and pins the vendor's trust version 1.

    A making that was cut off is taken up again; a site key that is there already is kept, with a new epoch.
    Raises AlreadyInitialised, StateUnwritable, StateDamaged, and whatever `licensing.trust.pin` refuses; then no site
    exists.
    """
    pinned = pin(trust)
    _require_no_site(folder)
    _make_folder(folder)
    _make_folder(folder / "journal")
    if not (folder / SITE_KEY).exists():
        create_site_key(folder / SITE_KEY, entropy[:-CHALLENGE_BYTES])
    load_site_key(folder / SITE_KEY)
    write_document(folder / TRUST_PIN, pinned.digest.encode() + b"\n", replace=True, mode=0o600)
    (folder / DATABASE).touch(mode=0o600)
    connection = open_database(folder / DATABASE)
    floor = witness(TimeFloor(build_time, "this release's build"), pinned.claims.issued_at, "the pinned trust")
    epoch = int(now.strftime("%Y%m%d%H%M%S"))
    with transaction(connection) as db:
        db.execute(
            "INSERT INTO documents VALUES ('root', ?, 1, ?, ?, ?)",
            (pinned.key_epoch, pinned.digest, trust, format_time(now)),
        )
        db.execute("INSERT INTO in_force VALUES ('trust', 'root', ?, 1, ?)", (pinned.key_epoch, pinned.digest))
        db.execute("INSERT INTO time_floor (only, at, source) VALUES (1, ?, ?)", (format_time(floor.at), floor.source))
        db.execute(
            "INSERT INTO site (only, id, name, epoch, created_at, challenge) VALUES (1, ?, ?, ?, ?, ?)",
            (site, name, epoch, format_time(now), entropy[-CHALLENGE_BYTES:].hex()),
        )
    connection.close()
    made = open_site(folder)
    with transaction(made.database):
        made.record("site.make", f"{site} in epoch {epoch}", now, after=pinned.digest)
    return made


def _require_no_site(folder: Path) -> None:
    """Nothing is made over a site, nor over the journal of one whose database is gone."""
    try:
        has_journal = any((folder / "journal").glob("*.journal"))
        has_database = (folder / DATABASE).is_file() and (folder / DATABASE).stat().st_size > 0
    except OSError as exc:
        raise StateUnwritable(f"The folder cannot be read: {exc.strerror}.", where=str(folder)) from exc
    if has_database:
        connection = open_database(folder / DATABASE)
        made = connection.execute("SELECT 1 FROM site").fetchone() is not None
        connection.close()
        if made:
            raise AlreadyInitialised("There is already a site in this folder.", where=str(folder))
    if has_journal:
        raise StateDamaged("There is a journal of usage here, and no database to it.", where=str(folder))


def open_site(folder: Path, *, by: Principal | None = None) -> Site:
    """The state, acted on by this process's user where nobody else is named.

    Raises NotInitialised, StateDamaged, StateUnwritable.
    """
    if not (folder / DATABASE).is_file():
        raise NotInitialised("There is no site in this state folder.", where=str(folder))
    try:
        connection = open_database(folder / DATABASE)
        row = connection.execute("SELECT * FROM site").fetchone()
    except DatabaseFault as exc:
        raise StateDamaged(f"The state database is damaged: {exc}.", where=str(folder / DATABASE)) from exc
    if row is None:
        connection.close()
        if any((folder / "journal").glob("*.journal")):
            raise StateDamaged("The state database is empty, and there is a journal of usage.", where=str(folder))
        raise NotInitialised("The making of this site was cut off.", where=str(folder))
    site = Site(
        folder,
        connection,
        load_site_key(folder / SITE_KEY),
        Board(folder / "board"),
        row["id"],
        row["name"],
        row["epoch"],
        parse_time(row["created_at"]),
        by or host_principal(host_process.user_name(os.environ)),
    )
    try:
        encrypt_what_an_earlier_release_stored(connection, site.key.rest_key)
    except DatabaseUnwritable as exc:
        raise StateUnwritable(f"The state database cannot be written: {exc}.", where=str(folder / DATABASE)) from exc
    except DatabaseFault as exc:
        raise StateDamaged(f"The state database is damaged: {exc}.", where=str(folder / DATABASE)) from exc
    return site


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        raise StateUnwritable(f"The folder cannot be written: {exc.strerror}.", where=str(folder)) from exc
