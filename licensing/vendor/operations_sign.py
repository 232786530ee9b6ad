"""One person's signature on a document that others sign as well, and how far such a document has come.

Promise: the bytes that were shown are the bytes that are signed; the file is read once. The other signatures stay as
they are. Nothing but the file and a key is needed: a vendor's home, or trust documents given by hand, only make it
possible to say what differs, whether the key may sign, and who is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from licensing.document import Verified
from licensing.envelope import Envelope, parse, to_clear, to_json
from licensing.errors import SerialConflict
from licensing.shown import shown
from licensing.trust import Trust, advance, pin
from licensing.vendor.countersign import Quorum, add_signature, count, finished_name, usable
from licensing.vendor.describe import SIGNED_BY, Described, describe, difference
from licensing.vendor.errors import HomeMissing, KeyMissing, KeyUnfit, NotAgreed
from licensing.vendor.home import Home
from licensing.vendor.key_files import AnyKey, open_key
from licensing.vendor.operations_trust import quorums_of
from licensing.vendor.signers import held
from licensing.vendor.token_key import SCHEME
from licensing.vendor.unlock import Unlock
from media.errors import TooLarge
from media.reader import LIMITS, read_document
from media.writer import write_document

Chain = Sequence[Verified[Trust]]
"""Versions of the trust, each verified by the one before."""
LARGEST: Final = max(LIMITS[kind] for kind in SIGNED_BY)


@dataclass(frozen=True, slots=True)
class Paper:
    """A document on the desk: what it says, what differs from the version before where it is a trust document and that
    version is known (None: it is not), and how its signatures stand under the trust that is known."""

    envelope: Envelope
    described: Described
    changes: tuple[str, ...] | None
    quorums: tuple[Quorum, ...]

    @property
    def complete(self) -> bool | None:
        """None where no trust is known to say so."""
        return all(each.complete for each in self.quorums) if self.quorums else None


@dataclass(frozen=True, slots=True)
class SignedPaper:
    """The document with one signature more, and where it lies."""

    paper: Paper
    key: str
    file: Path


def add_to(
    file: Path,
    key_name: str,
    *,
    out: Path | None,
    home: Home,
    trusts: Sequence[Path],
    unlock: Unlock,
    agree: Callable[[Paper], bool],
) -> SignedPaper:
    """Adds a signature, once `agree` was shown the document and says yes.

    Raises NotAgreed, KeyUnfit, WrongKind, Malformed, and what opening the key refuses.
    """
    data = read_document(file, limit=LARGEST)
    chain = known_trusts(home, trusts)
    paper = lay_out(parse(data), chain)
    require_no_fork(paper.described, chain)
    if not agree(paper):
        raise NotAgreed("Nothing was signed.", where=shown(str(file)))
    key = open_key(find(key_name, home, paper.described), unlock)
    require_fit(key, paper.described, chain)
    envelope = add_signature(paper.envelope, key)
    signed = lay_out(envelope, chain)
    document = to_json(envelope) if data[:1] == b"{" else to_clear(envelope)
    limit = LIMITS[paper.described.kind]
    if len(document) > limit:
        raise TooLarge(f"With this signature the file has {len(document)} bytes; a site reads {limit}.")
    target = out or (finished_name(file) if signed.complete else file)
    write_document(target, document, replace=target == file)
    return SignedPaper(signed, key.public_key.keyid, target)


def status_of(file: Path, *, home: Home, trusts: Sequence[Path]) -> Paper:
    """The document and how its signatures stand."""
    chain = known_trusts(home, trusts)
    if not chain:
        raise HomeMissing(
            "Without a trust document nobody can say who must sign.",
            remedy="Give --trust FILE for each version from the first on, or name the vendor's home.",
        )
    return lay_out(parse(read_document(file, limit=LARGEST)), chain)


def lay_out(envelope: Envelope, chain: Chain) -> Paper:
    """A document, described and counted under the trust that is known."""
    described = describe(envelope)
    if described.trust is None:
        quorums = (count(envelope, chain[-1].claims, described.role),) if chain else ()
        return Paper(envelope, described, None, quorums)
    before = _before(described, chain)
    changes = None if before is None else difference(before, described.trust)
    if before is None and described.serial > 1:
        # Its own threshold alone does not make it complete.
        return Paper(envelope, described, None, ())
    return Paper(envelope, described, changes, quorums_of(envelope, described.trust, before))


def require_no_fork(described: Described, chain: Chain) -> None:
    """A second document of a version that is known is not signed. Raises SerialConflict."""
    known = next((each for each in chain if described.trust and each.claims.serial == described.serial), None)
    if known is not None and known.digest != described.digest:
        raise SerialConflict(
            f"Trust version {described.serial} is known with digest {known.digest}; this is another version "
            f"{described.serial}, with digest {described.digest}."
        )


def _before(described: Described, chain: Chain) -> Trust | None:
    return next((each.claims for each in chain if each.claims.serial == described.serial - 1), None)


def known_trusts(home: Home, files: Sequence[Path]) -> Chain:
    """The versions given by hand, first to last; else those of the home; else none."""
    if not files:
        return home.trusts() if home.trust_file.is_file() else ()
    chain: list[Verified[Trust]] = []
    for file in files:
        data = read_document(file, limit=LIMITS["trust"])
        chain.append(advance(chain[-1].claims, data) if chain else pin(data))
    return tuple(chain)


def find(name: str, home: Home, described: Described) -> str | Path:
    """What was named: a token's URI, a file, or a key of the home by its label. Raises KeyMissing."""
    if name.startswith(SCHEME) or Path(name).is_file():
        return name
    if home.keys.is_dir():
        named = [
            each
            for each in held(home.keys)
            if name == each.name or (name == each.label and each.role in (None, described.role))
        ]
        if len(named) == 1:
            return named[0].path
    raise KeyMissing(
        f"There is no key {shown(name)!r}: neither a file nor a label of this home.",
        remedy="Name a key file, a label that ao-vendor trust show lists, or a token's pkcs11: URI.",
    )


def require_fit(key: AnyKey, described: Described, chain: Chain) -> None:
    """Raises KeyUnfit for a key of another role, or one that the trust that is known does not name for this one."""
    keyid = key.public_key.keyid
    if key.role not in (None, described.role):
        raise KeyUnfit(
            f"Key {keyid[:12]} was made for role {key.role}; a {described.kind} is signed by role {described.role}."
        )
    if described.kind == "config" or not chain:
        return  # A config may be in the hands of a customer's officers, whom no trust document names.
    asked = [chain[-1].claims]
    if described.trust is not None:
        before = _before(described, chain)
        asked = [described.trust, *([before] if before else [])]
    if not any(key.public_key in usable(trust, described.role) for trust in asked):
        raise KeyUnfit(f"Key {keyid[:12]} is not one that the trust names for role {described.role}.")


def claims_to_sign(paper: Paper) -> tuple[tuple[str, bool], ...]:
    """The key ids that the envelope claims, and whether a key of the role with that id really signed it."""
    genuine = {keyid for quorum in paper.quorums for keyid in quorum.signed}
    return tuple((signature.keyid, signature.keyid in genuine) for signature in paper.envelope.signatures)
