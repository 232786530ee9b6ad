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

from licensing.algorithms import PublicKey
from licensing.document import Verified
from licensing.envelope import Envelope, parse, signed_by, to_clear, to_json
from licensing.errors import SerialConflict, WrongKind
from licensing.licence import Licence, open_licence
from licensing.shown import shown
from licensing.trust import RoleName, Trust, advance, pin
from licensing.vendor.countersign import Quorum, add_signature, count, count_delegated, finished_name, usable
from licensing.vendor.describe import SIGNED_BY, Described, describe, difference
from licensing.vendor.errors import HomeMissing, KeyMissing, KeyUnfit, NotAgreed
from licensing.vendor.home import Home
from licensing.vendor.key_files import open_key, read_key_file
from licensing.vendor.operations import require_free
from licensing.vendor.operations_trust import quorums_of
from licensing.vendor.signers import held
from licensing.vendor.token_key import SCHEME
from licensing.vendor.unlock import Unlock
from media.errors import TooLarge
from media.naming import naming
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
    licence: Path | None = None,
    unlock: Unlock,
    agree: Callable[[Paper], bool],
) -> SignedPaper:
    """Adds a signature, once `agree` was shown the document and says yes.

    Whatever can be refused without the private key is refused before anybody is asked. `licence` is one that hands
    configs to a customer's officers. Raises NotAgreed, KeyUnfit, WrongKind, Malformed, and what the key refuses.
    """
    data = read_document(file, limit=LARGEST)
    chain = known_trusts(home, trusts)
    held_licence = known_licence(licence, chain)
    with naming(file):
        paper = lay_out(parse(data), chain, held_licence)
        require_no_fork(paper.described, chain)
    named = find(key_name, home, paper.described)
    if isinstance(named, Path):
        file_of_key = read_key_file(named)
        require_fit(file_of_key.public_key, file_of_key.role, paper, chain, held_licence)
    if out is not None and out != file:
        require_free(out)
    if not agree(paper):
        raise NotAgreed("Nothing was signed.", where=shown(str(file)))
    key = open_key(named, unlock)
    require_fit(key.public_key, key.role, paper, chain, held_licence)
    envelope = add_signature(paper.envelope, key)
    signed = lay_out(envelope, chain, held_licence)
    document = to_json(envelope) if data[:1] == b"{" else to_clear(envelope)
    limit = LIMITS[paper.described.kind]
    if len(document) > limit:
        raise TooLarge(f"With this signature the file has {len(document)} bytes; a site reads {limit}.")
    target = out or (finished_name(file) if signed.complete else file)
    write_document(target, document, replace=target == file)
    return SignedPaper(signed, key.public_key.keyid, target)


def status_of(file: Path, *, home: Home, trusts: Sequence[Path], licence: Path | None = None) -> Paper:
    """The document and how its signatures stand; a config's under `licence`, where that delegates configs."""
    chain = known_trusts(home, trusts)
    if not chain:
        raise HomeMissing(
            "Without a trust document nobody can say who must sign.",
            remedy="Give --trust FILE for each version from the first on, or name the vendor's home.",
        )
    data = read_document(file, limit=LARGEST)
    held_licence = known_licence(licence, chain)
    with naming(file):
        return lay_out(parse(data), chain, held_licence)


def lay_out(envelope: Envelope, chain: Chain, licence: Licence | None = None) -> Paper:
    """A document, described and counted under the trust that is known, or by the officers whom a licence names."""
    described = describe(envelope)
    if licence is not None:
        if described.kind != "config":
            raise WrongKind(
                f"A licence says who signs configs; this is a {described.kind}.", remedy="Leave --licence out."
            )
        return Paper(envelope, described, None, (count_delegated(envelope, licence, chain[-1].claims),))
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
        with naming(file):
            chain.append(advance(chain[-1].claims, data) if chain else pin(data))
    return tuple(chain)


def known_licence(file: Path | None, chain: Chain) -> Licence | None:
    """The licence that was named, as genuine under the trust that is known. Raises HomeMissing where none is."""
    if file is None:
        return None
    if not chain:
        raise HomeMissing(
            "Without a trust document nobody can say whether the licence is genuine.",
            remedy="Give --trust FILE for each version from the first on, or name the vendor's home.",
        )
    data = read_document(file, limit=LIMITS["licence"])
    with naming(file):
        return open_licence(data, chain[-1].claims).claims


def find(name: str, home: Home, described: Described) -> str | Path:
    """What was named: a token's URI, a file, or a key of the home by its label. Raises KeyMissing."""
    if name.startswith(SCHEME):
        return name
    if Path(name).is_file():
        return Path(name)
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


def require_fit(key: PublicKey, role: RoleName | None, paper: Paper, chain: Chain, licence: Licence | None) -> None:
    """Raises KeyUnfit for a key of another `role`, one that those who decide do not name, or one that has signed."""
    described, keyid = paper.described, key.keyid
    if role not in (None, described.role):
        raise KeyUnfit(
            f"Key {keyid[:12]} was made for role {role}; a {described.kind} is signed by role {described.role}."
        )
    if signed_by(paper.envelope, key):
        raise KeyUnfit(
            f"Key {keyid[:12]} has signed this document already; two signatures of one key are one.",
            remedy="Have another person sign it, with a key of their own.",
        )
    if licence is not None and all(keyid not in (*each.signed, *each.waiting) for each in paper.quorums):
        raise KeyUnfit(f"Key {keyid[:12]} is not one of the officers whom licence {licence.licence} names.")
    if described.kind == "config" or not chain:
        return  # A config may be in the hands of a customer's officers, whom no trust document names.
    asked = [chain[-1].claims]
    if described.trust is not None:
        before = _before(described, chain)
        asked = [described.trust, *([before] if before else [])]
    if not any(key in usable(trust, described.role) for trust in asked):
        raise KeyUnfit(f"Key {keyid[:12]} is not one that the trust names for role {described.role}.")


def claims_to_sign(paper: Paper) -> tuple[tuple[str, bool], ...]:
    """The key ids that the envelope claims, and whether a key of the role with that id really signed it."""
    genuine = {keyid for quorum in paper.quorums for keyid in quorum.signed}
    return tuple((signature.keyid, signature.keyid in genuine) for signature in paper.envelope.signatures)
