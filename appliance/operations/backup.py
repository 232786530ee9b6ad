"""Backing a site up while it runs, and putting it back as a new epoch.

A backup is the keys, the database as at one moment (SQLite's backup), then the journal that it has not taken in yet: in
that order, so that no exchange is missing from both. A restored site names the head of the chain that it continues,
serves nothing until the vendor has licensed its epoch, and counts what came with the backup and was not sealed there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from appliance.access.authorise import Permission, Principal, authorise, unrestricted
from appliance.errors import BackupRefused
from appliance.ledger.journal import segments
from appliance.ledger.restored import begin_epoch, note_restored
from appliance.operations.needs import needs
from appliance.operations.site import write_request
from appliance.operations.usage import seal_now
from appliance.state.backup_file import BackupHeader, Member, RandomBytes, read_header, read_members, write_backup
from appliance.state.database import copy_database, finished_segments, open_database, transaction
from appliance.state.site import DATABASE, SITE_KEY, TRUST_PIN, Site, open_site
from licensing.keyfile import MODERATE, KdfLimits, KdfRecord
from licensing.shown import shown
from media.errors import AlreadyThere, NotFound, WriteFailed
from media.passphrase import AskPassphrase

REQUEST = "site-request.signed.json"
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BackedUp:
    file: Path
    size: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """`carried`: exchanges that came with the backup and had not been sealed there."""

    site: str
    epoch: int
    predecessor: int
    carried: int
    made_at: datetime
    request: Path


@needs(Permission.HOST_WRITE)
def back_up(
    site: Site,
    file: Path,
    passphrase: bytes,
    now: datetime,
    *,
    random: RandomBytes = os.urandom,
    limits: KdfLimits = MODERATE,
) -> BackedUp:
    """Writes a backup that is consistent while the gateway runs. Never over another file. Raises MediaError."""
    snapshot, unfinished = site.folder / "backup.tmp", file.with_name(file.name + ".unfinished")
    if file.exists():
        raise AlreadyThere("There is another file of this name.", where=shown(str(file)))

    def header(kdf: KdfRecord, stream: bytes) -> BackupHeader:
        return BackupHeader(site=site.id, epoch=site.epoch, made_at=now, kdf=kdf, chunk=_PIECE, stream=stream)

    names: list[str] = []
    try:
        copy_database(site.database, snapshot)
        # Private from its first moment; FAT knows no modes, and refuses to be told one later.
        with open(unfinished, "xb", opener=_privately) as out:
            write_backup(
                out, _noted(_members(site, snapshot), names), passphrase, header=header, random=random, limits=limits
            )
            out.flush()
            os.fsync(out.fileno())
        _check(unfinished, passphrase)
        unfinished.rename(file)
    except OSError as exc:
        unfinished.unlink(missing_ok=True)
        raise WriteFailed(f"The backup cannot be written: {exc.strerror}.", where=shown(str(file))) from exc
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    finally:
        snapshot.unlink(missing_ok=True)
    return BackedUp(file, file.stat().st_size, tuple(names))


def restore(
    file: Path, folder: Path, ask: AskPassphrase, now: datetime, *, by: Principal, random: RandomBytes = os.urandom
) -> Restored:
    """Puts a backup into an empty state folder, as a new epoch. Raises BackupRefused; then the folder is as it was."""
    authorise(by, Permission.HOST_WRITE)
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused("The state folder is not empty; a backup is never put over anything.", where=str(folder))
    try:
        with _opened(file) as source:
            header = read_header(source)
            passphrase = ask().reveal()
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "journal").mkdir(mode=0o700)
            for member in read_members(source, header, passphrase):
                _unpack(folder, member)
        _require_whole(folder)
        unnamed = folder / f"{DATABASE}.restoring"
        with closing(open_database(unnamed)) as database:
            epoch, predecessor = begin_epoch(database, now, random(16).hex())
        _drop_side_files(unnamed)
        unnamed.rename(folder / DATABASE)
    except BaseException:
        _take_away(folder)
        raise
    with closing(open_site(folder, by=unrestricted(by))) as site:
        carried = note_restored(site, predecessor, now)
        with transaction(site.database) as db:  # nobody is signed in to a site that was put back
            db.execute("DELETE FROM sessions")
        seal_now(site, now)
        write_request(site, folder / REQUEST, now)
        return Restored(site.id, epoch, predecessor, carried, header.made_at, folder / REQUEST)


def _privately(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _members(site: Site, snapshot: Path) -> Iterator[Member]:
    """Keys and database first; the journal after the database, so that what the one lacks the other has."""
    for name, file in ((SITE_KEY, site.folder / SITE_KEY), (TRUST_PIN, site.folder / TRUST_PIN), (DATABASE, snapshot)):
        yield Member(name, file.stat().st_size, _pieces(file, file.stat().st_size))
    done = finished_segments(snapshot)
    for segment in segments(site.journal_folder):
        with suppress(FileNotFoundError):  # finished and pruned meanwhile
            if segment.name not in done:
                whole = _whole_lines(segment)
                yield Member(f"journal/{segment.name}", len(whole), iter([whole]))


def _noted(members: Iterator[Member], names: list[str]) -> Iterator[Member]:
    for each in members:
        names.append(each.name)
        yield each


def _whole_lines(segment: Path) -> bytes:
    """A segment is of bounded size; its last line may be just being written."""
    data = segment.read_bytes()
    return data[: data.rfind(b"\n") + 1]


def _pieces(file: Path, size: int) -> Iterator[bytes]:
    with file.open("rb") as source:
        while size > 0 and (piece := source.read(min(_PIECE, size))):
            size -= len(piece)
            yield piece


def _check(file: Path, passphrase: bytes) -> None:
    """Reads the whole backup back: one that does not open is noticed now, not when it is needed."""
    with file.open("rb") as source:
        for member in read_members(source, read_header(source), passphrase):
            for _ in member.pieces:
                pass


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except FileNotFoundError as exc:
        raise NotFound("There is no such file.", where=shown(str(file))) from exc
    except OSError as exc:
        raise BackupRefused(f"The backup cannot be read: {exc.strerror}.", where=shown(str(file))) from exc


def _unpack(folder: Path, member: Member) -> None:
    file = folder / (f"{DATABASE}.restoring" if member.name == DATABASE else member.name)
    try:
        with file.open("xb") as out:
            os.fchmod(out.fileno(), 0o600)
            for piece in member.pieces:
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
    except OSError as exc:
        raise WriteFailed(f"The state cannot be put back: {exc.strerror}.", where=str(file)) from exc


def _require_whole(folder: Path) -> None:
    for name in (f"{DATABASE}.restoring", SITE_KEY, TRUST_PIN):
        if not (folder / name).is_file():
            raise BackupRefused(f"The backup lacks {name}.")


def _drop_side_files(database: Path) -> None:
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _take_away(folder: Path) -> None:
    """What a failed restore left: the folder was empty before."""
    for file in sorted(folder.rglob("*"), reverse=True) if folder.is_dir() else ():
        file.rmdir() if file.is_dir() else file.unlink()
