"""Files that speak of one key: the sealed key itself, a reference to a key in a token, or its public half alone.

Promise: what a file says openly is read without a passphrase, PIN or token. A key that can sign is used only from a
file that nobody else on this host can reach; a public key may come from anywhere, and it is for people to compare its
id. No file here ever holds a private key in the clear.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from licensing import keyfile
from licensing.algorithms import ED25519, SCHEMES, PublicKey
from licensing.document import Claims, KeyBytes, Name, first_fault
from licensing.errors import LicensingError, Malformed
from licensing.keyfile import KEY_FILE_LIMIT, KeyFile, PublicKeyFile
from licensing.shown import shown
from licensing.strict_json import canonical, load_object
from licensing.trust import RoleName
from licensing.vendor.errors import KeyDamaged
from licensing.vendor.keyring import VendorKey, read_open_part, require_private, unseal
from licensing.vendor.token_key import SCHEME, URI_LIMIT, TokenKey, open_token_key, parse_uri, read_public
from licensing.vendor.unlock import Unlock
from media.reader import read_document
from media.writer import write_document


class TokenReference(Claims):
    """A key in a token, as a home holds it in place of a key file. `public` is what the token must show."""

    kind: Literal["vendor-token-key"] = "vendor-token-key"
    schema_version: Literal[1] = Field(default=1, alias="schema")
    algorithm: Literal["ed25519"] = ED25519
    public: KeyBytes
    role: RoleName | None = None
    label: Name
    uri: str = Field(min_length=1, max_length=URI_LIMIT)

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(self.algorithm, self.public)


AnyKeyFile = KeyFile | TokenReference | PublicKeyFile
AnyKey = VendorKey | TokenKey


def read_key_file(path: Path) -> AnyKeyFile:
    """What a file says openly. Raises KeyDamaged, MediaError."""
    return read_key(read_document(path, limit=KEY_FILE_LIMIT), where=shown(str(path)))


def read_key(data: bytes, *, where: str | None = None) -> AnyKeyFile:
    """The same, of the bytes of a file. Raises KeyDamaged."""
    try:
        members = load_object(data)
    except Malformed as error:
        raise KeyDamaged("The key file is not well-formed.", where=where) from error
    kinds: dict[str, type[TokenReference | PublicKeyFile]] = {
        "vendor-token-key": TokenReference,
        "vendor-public-key": PublicKeyFile,
    }
    kind = kinds.get(str(members.get("kind")))
    if kind is None:
        return read_open_part(data, where=where)
    try:
        file = kind.model_validate_json(canonical(members))
        _ = file.public_key
    except ValidationError as error:
        raise KeyDamaged(f"The key file is not well-formed: {first_fault(error)}.", where=where) from error
    except LicensingError as error:
        raise KeyDamaged(error.message, where=where) from error
    return file


def public_key_of(named: str) -> PublicKey:
    """The public key that a file of any kind holds, or `ALGORITHM:BASE64` spells. Raises KeyDamaged, MediaError."""
    algorithm, colon, text = named.partition(":")
    if not colon or algorithm not in SCHEMES:
        return read_key_file(Path(named)).public_key
    spelt = {"algorithm": algorithm, "public": text, "label": "-", "kind": "vendor-public-key", "schema": 1}
    return read_key(canonical(spelt), where=shown(named)).public_key


def open_key(named: str | Path, unlock: Unlock) -> AnyKey:
    """The key that a file or a `pkcs11:` URI names, able to sign.

    Raises KeyDamaged, Exposed, PassphraseWrong, TokenRefused, PinWrong, MediaError.
    """
    if isinstance(named, str) and named.startswith(SCHEME):
        uri = parse_uri(named)
        return open_token_key(uri, module=unlock.module, pin=unlock.pin())
    path = Path(named)
    where = shown(str(path))
    data = read_document(path, limit=KEY_FILE_LIMIT)
    require_private(path, what="key file")
    file = read_key(data, where=where)
    if isinstance(file, TokenReference):
        uri = parse_uri(file.uri)
        return open_token_key(
            uri, module=unlock.module, pin=unlock.pin(), expected=file.public_key, role=file.role, label=file.label
        )
    if isinstance(file, KeyFile):
        return unseal(data, unlock.passphrase(), where=where)
    raise KeyDamaged(
        "This file holds a public key; nothing can be signed with it.",
        where=where,
        remedy="Name the key file itself, or the token's pkcs11: URI.",
    )


def refer(uri_text: str, *, label: str, role: RoleName | None, module: Path | None) -> bytes:
    """A reference to a key in a token, with the public half that the token shows now."""
    uri = parse_uri(uri_text)
    public_key = read_public(uri, module)
    claims = TokenReference(public=public_key.public, role=role, label=label, uri=uri_text)
    return canonical(claims.model_dump(mode="json", by_alias=True, exclude_none=True)) + b"\n"


def public_half(file: AnyKeyFile) -> bytes:
    """The public key alone, in a file to hand on."""
    return keyfile.public_half(file.public_key, role=file.role, label=file.label).to_bytes()


def write_private(path: Path, data: bytes) -> None:
    """Writes a key file or a reference, for its owner alone; never over another."""
    write_document(path, data, mode=0o600)
