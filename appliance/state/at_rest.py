"""Configs as they lie in the database: encrypted, since one may hold a provider's key in clear.

XSalsa20-Poly1305 under a key derived from the site's own (site.key, mode 0600, beside the database): a copy of the
database alone tells nothing of them. What comes back is exactly the bytes that came in.
"""

from __future__ import annotations

from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from appliance.errors import StateDamaged
from appliance.state.database import Connection, transaction

_SCRUBBED: Final = 0x414F0001
"""The database's application id once no config lies in it in clear."""

_MAGIC: Final = b"AO-AT-REST-1\n"


def encrypted(data: bytes, key: bytes) -> bytes:
    """A random nonce each time: the same config twice does not look the same."""
    return _MAGIC + bytes(SecretBox(key).encrypt(data))


def is_encrypted(stored: bytes) -> bool:
    return stored.startswith(_MAGIC)


def decrypted(stored: bytes, key: bytes) -> bytes:
    """Raises StateDamaged where it is not what was stored here."""
    try:
        return bytes(SecretBox(key).decrypt(stored.removeprefix(_MAGIC)))
    except (CryptoError, ValueError) as error:
        raise StateDamaged(
            "A stored config cannot be decrypted: the database and the site key are not of the same site, or damaged."
        ) from error


def encrypt_what_an_earlier_release_stored(database: Connection, key: bytes) -> None:
    """Configs that lie in clear, once; then nothing of them is left in free pages or in the write-ahead log.

    The database notes when it is done, so that one that was cut off between two of its steps is done again.
    """
    if database.execute("PRAGMA application_id").fetchone()[0] == _SCRUBBED:
        return
    with transaction(database) as db:
        rows = db.execute("SELECT rowid, bytes FROM documents WHERE role IN ('config', 'config.delegated')").fetchall()
        for row in rows:
            if not is_encrypted(bytes(row["bytes"])):
                db.execute(
                    "UPDATE documents SET bytes = ? WHERE rowid = ?",
                    (encrypted(bytes(row["bytes"]), key), row["rowid"]),
                )
    database.execute("VACUUM")
    busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if not busy:
        database.execute(f"PRAGMA application_id = {_SCRUBBED}")
