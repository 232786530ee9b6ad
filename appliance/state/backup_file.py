"""The backup file: members of a state folder under a passphrase, written and read piece by piece.

    ao-backup 1 LF
    {"chunk":…,"epoch":…,"kdf":{…},"kind":"backup","made_at":…,"schema":1,"site":…,"stream":…} LF
    pieces

The first two lines are open. Argon2id (1.3, one lane) makes the key from the passphrase, cost and salt as in `kdf`; the
rest is one libsodium secretstream (XChaCha20-Poly1305) whose header is `stream`: pieces of `chunk` + 17 bytes, the
last one shorter or equal and tagged FINAL. Each piece is bound to the SHA-256 of the second line, so that a changed
header, a piece left out, moved or doubled, and a file cut short are all refused. Within: for each member a line of
canonical JSON, `{"name":…,"size":…}`, and its bytes; at the end `{"members":…}`. It is no archive of others: names are
from a fixed list, and no bytes are believed before their piece is verified.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Literal

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from pydantic import Field, ValidationError

from appliance.errors import BackupRefused
from licensing.document import Claims, KeyBytes, SiteId, Timestamp
from licensing.errors import LicensingError
from licensing.keyfile import MODERATE, KdfLimits, KdfRecord
from licensing.strict_json import canonical, load_object

MAGIC = b"ao-backup 1\n"
CHUNK = 1024 * 1024
_LINE_LIMIT = 4096
_OVERHEAD = bindings.crypto_secretstream_xchacha20poly1305_ABYTES
_FINAL = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_MESSAGE = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
NAMES = re.compile(r"ao\.db|site\.key|trust\.pin|journal/[A-Za-z0-9-]{1,80}\.journal")

RandomBytes = Callable[[int], bytes]


class BackupHeader(Claims):
    """What a backup says openly. Nothing in it is secret, and nothing is believed before the first piece opens."""

    LINE: ClassVar[int] = _LINE_LIMIT

    kind: Literal["backup"] = "backup"
    schema_version: Literal[1] = Field(default=1, alias="schema")
    site: SiteId
    epoch: int = Field(ge=1)
    made_at: Timestamp
    kdf: KdfRecord
    chunk: int = Field(ge=1024, le=16 * CHUNK)
    stream: KeyBytes

    def line(self) -> bytes:
        return canonical(self.model_dump(mode="json", by_alias=True)) + b"\n"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the state folder: its bytes as they come, `size` of them in all."""

    name: str
    size: int
    pieces: Iterable[bytes]


def write_backup(
    out: BinaryIO,
    members: Iterable[Member],
    passphrase: bytes,
    *,
    header: Callable[[KdfRecord, bytes], BackupHeader],
    random: RandomBytes,
    limits: KdfLimits = MODERATE,
) -> None:
    """Writes everything; `header` makes the open part of the file from what the cipher adds to it."""
    kdf = KdfRecord(ops=limits.ops, mem=limits.mem, salt=random(argon2id.SALTBYTES))
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    stream = bindings.crypto_secretstream_xchacha20poly1305_init_push(state, _key(kdf, passphrase))
    line = header(kdf, stream).line()
    out.write(MAGIC + line)
    bound = hashlib.sha256(line).digest()

    def push(data: bytes, tag: int) -> None:
        out.write(bindings.crypto_secretstream_xchacha20poly1305_push(state, data, ad=bound, tag=tag))

    waiting = bytearray()
    for data in _plain(members):
        waiting += data
        while len(waiting) > CHUNK:
            push(bytes(waiting[:CHUNK]), _MESSAGE)
            del waiting[:CHUNK]
    push(bytes(waiting), _FINAL)


def read_header(source: BinaryIO) -> BackupHeader:
    """The open part. Raises BackupRefused."""
    if source.read(len(MAGIC)) != MAGIC:
        raise BackupRefused("The file is not a backup of an AO Appliance.")
    try:
        header = BackupHeader.model_validate_json(source.readline(BackupHeader.LINE))
    except ValidationError as exc:
        raise BackupRefused("The head of the backup is damaged, or of a release that this one does not know.") from exc
    return header


def read_members(source: BinaryIO, header: BackupHeader, passphrase: bytes) -> Iterator[Member]:
    """The members in order; each one's pieces must be used up before the next is asked for. Raises BackupRefused."""
    plain = _Plain(_opened(source, header, passphrase))
    count = 0
    while True:
        head = _line(plain)
        if head.keys() == {"members"}:
            if head["members"] != count or plain.take(1):
                raise BackupRefused("The backup does not end where it says.")
            return
        name, size = head.get("name"), head.get("size")
        if not isinstance(name, str) or not isinstance(size, int) or size < 0 or not NAMES.fullmatch(name):
            raise BackupRefused("The backup holds something that no backup holds.")
        count += 1
        yield Member(name, size, plain.pieces(size))


def _plain(members: Iterable[Member]) -> Iterator[bytes]:
    count = 0
    for each in members:
        yield canonical({"name": each.name, "size": each.size}) + b"\n"
        yield from each.pieces
        count += 1
    yield canonical({"members": count}) + b"\n"


def _opened(source: BinaryIO, header: BackupHeader, passphrase: bytes) -> Iterator[bytes]:
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    bound = hashlib.sha256(header.line()).digest()
    try:
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, header.stream, _key(header.kdf, passphrase))
    except (CryptoError, ValueError, TypeError) as exc:
        raise BackupRefused("The head of the backup is damaged.") from exc
    first = True
    while data := source.read(header.chunk + _OVERHEAD):
        try:
            plain, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(state, data, ad=bound)
        except (CryptoError, ValueError, RuntimeError) as exc:
            wrong = "The passphrase is not the backup's, or the file is damaged." if first else "The backup is damaged."
            raise BackupRefused(wrong) from exc
        first = False
        yield plain
        if tag == _FINAL:
            if source.read(1):
                raise BackupRefused("The backup goes on after its end.")
            return
    raise BackupRefused("The backup is cut short.")


class _Plain:
    """The verified bytes, by the amounts that are asked for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    def take(self, most: int) -> bytes:
        if not self._held:
            self._held = next(self._chunks, b"")
        taken, self._held = self._held[:most], self._held[most:]
        return taken

    def pieces(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self.take(size)
            if not piece:
                raise BackupRefused("The backup is cut short.")
            size -= len(piece)
            yield piece


def _line(plain: _Plain) -> dict[str, object]:
    line = b""
    while not line.endswith(b"\n"):
        byte = plain.take(1)
        if not byte or len(line) > _LINE_LIMIT:
            raise BackupRefused("The backup is cut short.")
        line += byte
    try:
        return load_object(line)
    except LicensingError as exc:
        raise BackupRefused("The backup holds something that no backup holds.") from exc


def _key(kdf: KdfRecord, passphrase: bytes) -> bytes:
    size = bindings.crypto_secretstream_xchacha20poly1305_KEYBYTES
    try:
        return argon2id.kdf(size, passphrase, kdf.salt, opslimit=kdf.ops, memlimit=kdf.mem)
    except CryptoError as exc:
        raise BackupRefused(
            f"The backup's key cannot be derived; that takes {kdf.mem // 2**20} MiB of memory.",
            remedy="Close other programs on this host and try again.",
        ) from exc
