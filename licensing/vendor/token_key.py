"""Keys that live in a hardware token, reached through PKCS#11 and named by `pkcs11:` URIs (RFC 7512).

Promise: the private part stays in the token; the PIN is given as an argument, never read from a URI. What the token
says its public key is, is held against what was recorded, and every signature is verified before it is let out: a
token that was exchanged, or that misbehaves, is a refusal. The library is loaded only when a token is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from licensing.algorithms import ED25519, PublicKey
from licensing.errors import Malformed
from licensing.shown import shown
from licensing.trust import RoleName
from licensing.vendor.errors import PinWrong, TokenRefused
from media.passphrase import Passphrase

if TYPE_CHECKING:
    import pkcs11

SCHEME: Final = "pkcs11:"
URI_LIMIT: Final = 1024
_TOKEN_BY: Final = ("token", "serial", "manufacturer", "model")
_KEY_BY: Final = ("object", "id")
_POINTS: Final = (b"\x04\x20", b"\x03\x21\x00", b"")
"""How tokens wrap a point of Ed25519: as an octet string, as a bit string (PKCS#11 3.0), or not at all."""


@dataclass(frozen=True, slots=True)
class TokenUri:
    """Which key in which token. Members that are None match anything."""

    text: str
    token: str | None = None
    serial: bytes | None = None
    manufacturer: str | None = None
    model: str | None = None
    object: str | None = None
    id: bytes | None = None
    module: Path | None = None


class TokenKey:
    """A key in a token, able to sign (`licensing.envelope.Signer`)."""

    __slots__ = ("_library", "_pin", "_uri", "label", "public_key", "role")

    def __init__(
        self, uri: TokenUri, library: Path, pin: Passphrase, public_key: PublicKey, role: RoleName | None, label: str
    ) -> None:
        self._uri, self._library, self._pin = uri, library, pin
        self.public_key, self.role, self.label = public_key, role, label

    def sign(self, message: bytes) -> bytes:
        import pkcs11

        with _session(self._uri, self._library, self._pin) as session:
            signature: bytes = _private(session, self._uri).sign(message, mechanism=pkcs11.Mechanism.EDDSA)
        if not self.public_key.verifies(signature, message):
            raise TokenRefused(
                "The token's signature is not one of the key that was recorded.", where=_named(self._uri)
            )
        return signature

    def __repr__(self) -> str:
        return f"TokenKey(role={self.role!r}, label={self.label!r}, keyid={self.public_key.keyid[:16]!r})"


def parse_uri(text: str) -> TokenUri:
    """Raises TokenRefused for a URI that names no one key, or that carries a PIN."""
    if not text.startswith(SCHEME) or len(text) > URI_LIMIT:
        raise TokenRefused("This is not a pkcs11: URI.", where=shown(text))
    if "pin-value" in text or "pin-source" in text:  # looked for first: no refusal below may show the URI with it
        raise TokenRefused(
            "A URI must not carry a PIN, nor say where it is.",
            where=SCHEME,
            remedy="Type the PIN at the prompt, or give --pin-file FILE or --pin-fd N.",
        )
    path, _, query = text.removeprefix(SCHEME).partition("?")
    members = _members(path, ";", text) | {f"?{name}": value for name, value in _members(query, "&", text).items()}
    known = {*_TOKEN_BY, *_KEY_BY, "type", "?module-path"}
    if unknown := sorted(members.keys() - known):
        raise TokenRefused(f"The URI has {shown(unknown[0])!r}, by which no key is looked up here.", where=shown(text))
    if members.get("type", b"private") not in (b"private", b"public"):
        raise TokenRefused("The URI names something other than a key pair.", where=shown(text))
    if not any(name in members for name in ("token", "serial")) or not any(name in members for name in _KEY_BY):
        raise TokenRefused(
            "The URI must name the token (token= or serial=) and the key in it (object= or id=).", where=shown(text)
        )
    try:
        words = {name: value.decode() for name, value in members.items() if name not in ("serial", "id")}
    except UnicodeDecodeError as error:
        raise TokenRefused("The URI is not UTF-8.", where=shown(text)) from error
    module = words.get("?module-path")
    return TokenUri(
        text,
        words.get("token"),
        members.get("serial"),
        words.get("manufacturer"),
        words.get("model"),
        words.get("object"),
        members.get("id"),
        None if module is None else Path(module),
    )


def read_public(uri: TokenUri, module: Path | None) -> PublicKey:
    """The public half, which a token gives without a PIN. Raises TokenRefused."""
    with _session(uri, _library(uri, module), None) as session:
        return _public(session, uri)


def open_token_key(
    uri: TokenUri,
    *,
    module: Path | None,
    pin: Passphrase,
    expected: PublicKey | None = None,
    role: RoleName | None = None,
    label: str = "token",
) -> TokenKey:
    """The key, after the PIN was tried and its public half compared with the `expected` one.

    Raises TokenRefused, PinWrong.
    """
    library = _library(uri, module)
    with _session(uri, library, pin) as session:
        public_key = _public(session, uri)
        if expected is not None and public_key != expected:
            raise TokenRefused(
                f"The token holds key {public_key.keyid[:12]}; {expected.keyid[:12]} was recorded.", where=_named(uri)
            )
        _private(session, uri)
    return TokenKey(uri, library, pin, public_key, role, label)


def _members(text: str, separator: str, whole: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if not equals or name in found:
            raise TokenRefused("The URI names something twice, or without a value.", where=shown(whole))
        found[name] = unquote_to_bytes(value)
    return found


def _library(uri: TokenUri, module: Path | None) -> Path:
    chosen = module or uri.module
    if chosen is None:
        raise TokenRefused(
            "No PKCS#11 module was named, which is the library by which a token is reached.",
            where=_named(uri),
            remedy="Give --pkcs11-module FILE or set AO_PKCS11_MODULE, for example to /usr/lib/softhsm/libsofthsm2.so.",
        )
    return chosen


@contextmanager
def _session(uri: TokenUri, library: Path, pin: Passphrase | None) -> Iterator[pkcs11.Session]:
    """An open session with the token; without a PIN only what is public is seen."""
    try:
        import pkcs11
    except ImportError as error:
        raise TokenRefused(
            "The package python-pkcs11 is not installed here, and no token can be reached without it.",
            remedy="Install the vendor's wheel with its extra: ao-vendor[pkcs11].",
        ) from error
    try:
        token = _token(pkcs11.lib(str(library)), uri)
        with token.open(user_pin=None if pin is None else pin.reveal().decode("utf-8")) as session:
            yield session
    except (UnicodeDecodeError, pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange) as error:
        raise PinWrong("The PIN does not open the token.", where=_named(uri)) from error
    except pkcs11.PinLocked as error:
        raise PinWrong(
            "The token is locked after too many wrong PINs.",
            where=_named(uri),
            remedy="Have it unlocked by whoever holds its security officer's PIN.",
        ) from error
    except pkcs11.MultipleObjectsReturned as error:
        raise TokenRefused("Several keys in the token fit the URI; name one by its id=.", where=_named(uri)) from error
    except pkcs11.NoSuchKey as error:
        raise TokenRefused("The token has no such key.", where=_named(uri)) from error
    except pkcs11.PKCS11Error as error:
        reason = shown(str(error) or type(error).__name__)
        raise TokenRefused(f"The token cannot be used: {reason}.", where=_named(uri)) from error


def _token(library: Any, uri: TokenUri) -> pkcs11.Token:
    found = [
        token
        for token in library.get_tokens()
        if (uri.token is None or token.label == uri.token)
        and (uri.serial is None or token.serial == uri.serial)
        and (uri.manufacturer is None or token.manufacturer_id == uri.manufacturer)
        and (uri.model is None or token.model == uri.model)
    ]
    if len(found) != 1:
        many = "No token" if not found else f"{len(found)} tokens"
        raise TokenRefused(f"{many} here fit the URI.", where=_named(uri))
    token: pkcs11.Token = found[0]
    return token


def _public(session: pkcs11.Session, uri: TokenUri) -> PublicKey:
    import pkcs11

    key = _object(session, uri, pkcs11.ObjectClass.PUBLIC_KEY)
    try:
        of_its_kind = key[pkcs11.Attribute.KEY_TYPE] is pkcs11.KeyType.EC_EDWARDS
        point = bytes(key[pkcs11.Attribute.EC_POINT]) if of_its_kind else b""
        for wrapped in _POINTS:
            if point.startswith(wrapped) and len(point) == len(wrapped) + 32:
                return PublicKey(ED25519, point.removeprefix(wrapped))
    except (pkcs11.AttributeTypeInvalid, Malformed) as error:
        raise TokenRefused("The key in the token is not an Ed25519 key.", where=_named(uri)) from error
    raise TokenRefused("The key in the token is not an Ed25519 key.", where=_named(uri))


def _private(session: pkcs11.Session, uri: TokenUri) -> Any:
    import pkcs11

    return _object(session, uri, pkcs11.ObjectClass.PRIVATE_KEY)


def _object(session: pkcs11.Session, uri: TokenUri, kind: pkcs11.ObjectClass) -> Any:
    return session.get_key(object_class=kind, label=uri.object, id=uri.id)


def _named(uri: TokenUri) -> str:
    return shown(uri.text, 200)
