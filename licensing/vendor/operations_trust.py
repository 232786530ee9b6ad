"""From one version of the trust to the next: proposed, signed by whoever must, adopted.

Promise: a version is adopted only when the thresholds of the version before and of its own are reached, exactly as a
site would have it, and the memory has it before the home has its file; a second, different document of the same version
is refused from then on. A new key is durably in the home before a proposal names it. A proposal binds nobody: until it
is adopted, everything is signed under the version before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from licensing.algorithms import digest
from licensing.document import Verified
from licensing.envelope import Envelope, VerifiedBody, parse, sign, to_json
from licensing.errors import SerialConflict, SerialRefused
from licensing.keyfile import Algorithm, KdfLimits, RandomBytes
from licensing.shown import shown
from licensing.trust import RoleName, Trust, advance
from licensing.vendor.countersign import Quorum, count, sentence, usable
from licensing.vendor.describe import difference
from licensing.vendor.errors import DocumentUnfinished, KeyMissing, RotationRefused
from licensing.vendor.home import Home
from licensing.vendor.key_files import public_key_of
from licensing.vendor.keyring import VendorKey, new_key, seal, write_key
from licensing.vendor.rotate import Rotation, propose
from licensing.vendor.signers import Held, held, load_keys, open_all
from licensing.vendor.unlock import Unlock
from media.errors import AlreadyThere
from media.reader import LIMITS, read_document
from media.writer import write_document

SHORTEST_ID = 8
WHOLE_ID = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """A rotation as people spell it: keys by file, label or the beginning of an id."""

    add: tuple[tuple[RoleName, str], ...] = ()
    new: tuple[tuple[RoleName, Algorithm], ...] = ()
    retire: tuple[tuple[RoleName | None, str], ...] = ()
    thresholds: tuple[tuple[RoleName, int], ...] = ()
    at_least: tuple[tuple[RoleName, str, int], ...] = ()
    revoke_keys: tuple[str, ...] = ()
    revoke_licences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rotated:
    """A version that was proposed, or adopted; what differs in it, and how its signatures stand."""

    version: int
    digest: str
    file: Path
    adopted: bool
    changes: tuple[str, ...]
    quorums: tuple[Quorum, ...]
    made: tuple[Path, ...] = ()


def rotate_trust(
    home: Home, asked: Asked, *, unlock: Unlock, limits: KdfLimits, now: datetime, random: RandomBytes
) -> Rotated:
    """Proposes the next version, with the signatures of every root key that is here; adopts it if they suffice."""
    current = home.trust().claims
    proposal = home.proposal_file(current.serial + 1)
    if os.path.lexists(proposal):
        raise AlreadyThere(
            f"Version {current.serial + 1} has been proposed already.",
            where=shown(str(proposal)),
            remedy="Have it signed and adopt it (ao-vendor trust adopt), or remove the file to give it up.",
        )
    here = held(home.keys)
    made = _new_keys(asked, here, random)
    rotation = _resolve(home, asked, current, here, made)
    successor = propose(current, rotation, now=now)
    roots = (*usable(current, "root"), *usable(successor, "root"))
    present = load_keys(home.keys, roots, unlock)
    signers = [*present, *(key for key in made if key.role == "root")]
    if not signers:
        raise KeyMissing(
            "No root key is here, neither of this version nor of the next; a proposal begins with one signature.",
            where=shown(str(home.keys)),
            remedy="Bring one root key into the home's keys folder, or a reference to it (ao-vendor key refer).",
        )
    if made and not any(isinstance(key, VendorKey) for key in present):
        _try_passphrase(here, unlock)
    document = to_json(sign(Trust.payload_type(), successor.to_bytes(), signers))
    files = tuple(write_key(home.keys, seal(key, unlock.passphrase(), random=random, limits=limits)) for key in made)
    quorums = quorums_of(parse(document), successor, current)
    changes = difference(current, successor)
    complete = all(each.complete for each in quorums)
    if complete:
        adopted = _adopt(home, current, document, now)
        file = home.version_file(adopted.claims.serial)
    else:
        file = proposal
        write_document(file, document)
    return Rotated(successor.serial, digest(successor.to_bytes()), file, complete, changes, quorums, files)


def adopt_trust(home: Home, file: Path, *, now: datetime) -> Rotated:
    """Takes a version in as the home's newest. Raises DocumentUnfinished, SerialRefused, SerialConflict, and what
    `advance` refuses. A version that was adopted before is written out again, and nothing else changes."""
    document = read_document(file, limit=LIMITS["trust"])
    envelope = parse(document)
    claimed = claimed_trust(envelope)
    chain = home.trusts()
    newest = chain[-1].claims
    if claimed.serial <= newest.serial:
        return _known(home, chain, claimed, digest(envelope.body))
    if claimed.serial != newest.serial + 1:
        raise SerialRefused(
            f"The home has trust version {newest.serial}; version {newest.serial + 1} must come next, and this is "
            f"version {claimed.serial}.",
            remedy="Adopt each version in order.",
        )
    quorums = quorums_of(envelope, claimed, newest)
    if not all(each.complete for each in quorums):
        raise DocumentUnfinished(
            f"Trust version {claimed.serial} still needs signatures: {sentence(quorums)}.", where=shown(str(file))
        )
    adopted = _adopt(home, newest, document, now)
    changes = difference(newest, claimed)
    return Rotated(claimed.serial, adopted.digest, home.version_file(claimed.serial), True, changes, quorums)


def claimed_trust(envelope: Envelope) -> Trust:
    """What a trust document says before anybody's signature on it was checked: to show, and to count signatures by."""
    return Trust.from_verified(VerifiedBody(envelope.payload_type, envelope.body, ()))


def quorums_of(envelope: Envelope, document: Trust, before: Trust | None) -> tuple[Quorum, ...]:
    """Both thresholds that a version must reach: of the version before it, and its own."""
    own = count(envelope, document, "root")
    return (own,) if before is None else (count(envelope, before, "root"), own)


def _known(home: Home, chain: Sequence[Verified[Trust]], claimed: Trust, found: str) -> Rotated:
    remembered = chain[claimed.serial - 1]
    if remembered.digest != found:
        raise SerialConflict(
            f"Trust version {claimed.serial} was adopted with digest {remembered.digest}; this is another version "
            f"{claimed.serial}, with digest {found}."
        )
    file = home.version_file(claimed.serial)
    if claimed.serial > 1:
        with home.memory() as memory, memory.transaction():
            document = memory.trusts()[claimed.serial - 1][1]
        write_document(file, document)
        _forget_proposal(home, claimed.serial, found)
    return Rotated(claimed.serial, found, file, True, (), ())


def _adopt(home: Home, current: Trust, document: bytes, now: datetime) -> Verified[Trust]:
    verified = advance(current, document)
    _require_place(home.version_file(verified.claims.serial), document)
    first = home.trusts()[0]
    with home.memory() as memory:
        with memory.transaction():
            if memory.newest_trust() != current.serial:
                raise SerialRefused(
                    f"Another trust version {verified.claims.serial} was adopted meanwhile.", remedy="Look at both."
                )
            if current.serial == 1:
                memory.record_trust(1, first.digest, read_document(home.trust_file, limit=LIMITS["trust"]), now)
            memory.record_trust(verified.claims.serial, verified.digest, document, now)
        write_document(home.version_file(verified.claims.serial), document)
    _forget_proposal(home, verified.claims.serial, verified.digest)
    return verified


def _require_place(path: Path, document: bytes) -> None:
    if os.path.lexists(path) and read_document(path, limit=LIMITS["trust"]) != document:
        raise AlreadyThere("Another file has the name of this version.", where=shown(str(path)))


def _forget_proposal(home: Home, version: int, adopted: str) -> None:
    """The unfinished form of what was adopted has no use any more; any other proposal is left where it is."""
    path = home.proposal_file(version)
    if os.path.lexists(path) and digest(parse(read_document(path, limit=LIMITS["trust"])).body) == adopted:
        with contextlib.suppress(OSError):
            path.unlink()


def _new_keys(asked: Asked, here: Sequence[Held], random: RandomBytes) -> tuple[VendorKey, ...]:
    """Keys in memory, each with the next free number of its role as its label."""
    labels = {(each.role, each.label) for each in here}
    made: list[VendorKey] = []
    for role, algorithm in asked.new:
        number = 1
        while (role, str(number)) in labels:
            number += 1
        labels.add((role, str(number)))
        made.append(new_key(role, str(number), algorithm, random))
    return tuple(made)


def _resolve(home: Home, asked: Asked, current: Trust, here: Sequence[Held], made: Sequence[VendorKey]) -> Rotation:
    for licence in asked.revoke_licences:
        with home.memory() as memory, memory.transaction():
            known = memory.licence_holders(licence)
        if not known:
            raise RotationRefused(
                f"No licence {shown(licence)!r} was ever issued here.", remedy="Check its id: ao-vendor licence list."
            )
    return Rotation(
        add=(
            *((role, public_key_of(named)) for role, named in asked.add),
            *((key.role, key.public_key) for key in made if key.role is not None),
        ),
        retire=tuple((role, find_key(named, current, here, role)) for role, named in asked.retire),
        thresholds=asked.thresholds,
        at_least=asked.at_least,
        revoke_keys=tuple(find_key(named, current, here, None) for named in asked.revoke_keys),
        revoke_licences=asked.revoke_licences,
    )


def find_key(named: str, current: Trust, here: Sequence[Held], role: RoleName | None) -> str:
    """The id of a key named by its id, by the beginning of it, or by its label in this home. Raises RotationRefused."""
    if len(named) == WHOLE_ID and all(each in "0123456789abcdef" for each in named):
        return named
    labelled = {
        each.public_key.keyid
        for each in here
        if named == each.name or (named == each.label and role in (None, each.role))
    } & current.keys.keys()
    by_id = {keyid for keyid in current.keys if len(named) >= SHORTEST_ID and keyid.startswith(named)}
    found = labelled | by_id
    if len(found) != 1:
        many = "No key" if not found else f"{len(found)} keys"
        raise RotationRefused(
            f"{many} in trust version {current.serial} can be meant by {shown(named)!r}.",
            remedy="Name the key by its id or its label: ao-vendor trust show.",
        )
    return found.pop()


def _try_passphrase(here: Sequence[Held], unlock: Unlock) -> None:
    """New keys are sealed under the passphrase of the home's others: one that opens none of them is a slip."""
    sealed = [each for each in here if not each.in_token]
    open_all(sealed[:1], unlock)
