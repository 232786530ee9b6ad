"""The next version of the trust document.

Promise: pure. The version is one more than the one before; a role whose keys change has a key epoch one higher, and no
other has, so that its serials are counted anew and a leaked key that signed a huge one locks nothing out. A revoked key
leaves every role at once and never comes back; nothing is ever taken off the list of what is revoked. No key has two
roles. What comes out is a document that `licensing.trust.advance` takes after the one before, once it is signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from licensing.algorithms import PublicKey
from licensing.document import first_fault, format_time
from licensing.shown import shown
from licensing.trust import KeyRecord, Revoked, RoleName, RoleRecord, Trust
from licensing.vendor.errors import RotationRefused


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is to change. Keys that retire or are revoked are named by their whole id; a role of None is every role.

    `at_least` of 0 takes the demand away.
    """

    add: tuple[tuple[RoleName, PublicKey], ...] = ()
    retire: tuple[tuple[RoleName | None, str], ...] = ()
    thresholds: tuple[tuple[RoleName, int], ...] = ()
    at_least: tuple[tuple[RoleName, str, int], ...] = ()
    revoke_keys: tuple[str, ...] = ()
    revoke_licences: tuple[str, ...] = ()


def propose(current: Trust, rotation: Rotation, *, now: datetime) -> Trust:
    """The version after `current`. Raises RotationRefused."""
    if now < current.issued_at:
        raise RotationRefused(
            f"Trust version {current.serial} is dated {format_time(current.issued_at)}, which has not come yet here.",
            remedy="Set this host's clock to the true time.",
        )
    revoked = Revoked(
        keys=tuple(dict.fromkeys((*current.revoked.keys, *rotation.revoke_keys))),
        licences=tuple(dict.fromkeys((*current.revoked.licences, *rotation.revoke_licences))),
    )
    _require_sense(current, rotation)
    roles = dict(current.roles)
    for name in dict.fromkeys((*current.roles, *(name for name, _ in rotation.add))):
        roles[name] = _role(name, current.roles.get(name), rotation)
    if roles == current.roles and revoked == current.revoked:
        raise RotationRefused(f"Nothing would differ from trust version {current.serial}.")
    records = current.keys | {
        key.keyid: KeyRecord(algorithm=key.algorithm, public=key.public) for _, key in rotation.add
    }
    named = {keyid for role in roles.values() for keyid in role.keys}
    try:
        return Trust(
            schema_version=1,
            serial=current.serial + 1,
            issued_at=now,
            vendor=current.vendor,
            keys={keyid: record for keyid, record in records.items() if keyid in named},
            roles=roles,
            revoked=revoked,
        )
    except ValidationError as error:
        raise RotationRefused(f"This makes no trust document: {first_fault(error)}.") from error


def _require_sense(current: Trust, rotation: Rotation) -> None:
    """What a person typed must mean something in this version: a slip of the pen is not a change of nothing."""
    holders = {keyid: name for name, role in current.roles.items() for keyid in role.keys}
    leaving = {keyid for _, keyid in rotation.retire}
    joining: dict[str, RoleName] = {}
    for name, key in rotation.add:
        if key.keyid in (*current.revoked.keys, *rotation.revoke_keys):
            raise RotationRefused(f"Key {key.keyid[:12]} is revoked; a revoked key is never taken up again.")
        other = joining.get(key.keyid) or holders.get(key.keyid)
        if key.keyid in leaving or other is not None:
            raise RotationRefused(
                f"Key {key.keyid[:12]} signs for role {other or name} in this or the version before; a key has one "
                "role, and none that it has just left.",
                remedy="Make a new key for each role: --new-key ROLE.",
            )
        joining[key.keyid] = name
    for role, keyid in rotation.retire:
        if keyid not in holders or (role is not None and keyid not in _keys(current, role)):
            where = f"role {role} has" if role else "any role has"
            raise RotationRefused(f"Key {keyid[:12]} is not one that {where} in trust version {current.serial}.")
    for already in set(rotation.revoke_keys) & set(current.revoked.keys):
        raise RotationRefused(f"Key {already[:12]} is revoked already.")
    for already in set(rotation.revoke_licences) & set(current.revoked.licences):
        raise RotationRefused(f"Licence {shown(already)!r} is revoked already.")
    for name in (*(name for name, _ in rotation.thresholds), *(name for name, _, _ in rotation.at_least)):
        if name not in current.roles and name not in joining.values():
            raise RotationRefused(f"Nobody has role {name!r}.", remedy=f"Give it a key first: --new-key {name}.")


def _keys(current: Trust, role: RoleName) -> tuple[str, ...]:
    return current.roles[role].keys if role in current.roles else ()


def _role(name: RoleName, before: RoleRecord | None, rotation: Rotation) -> RoleRecord:
    gone = {keyid for role, keyid in rotation.retire if role in (None, name)} | set(rotation.revoke_keys)
    held = before.keys if before else ()
    keys = (
        *(keyid for keyid in held if keyid not in gone),
        *(key.keyid for role, key in rotation.add if role == name),
    )
    demands = dict(before.at_least) if before else {}
    demands |= {algorithm: needed for role, algorithm, needed in rotation.at_least if role == name}
    epoch = before.epoch if before else 0
    try:
        return RoleRecord(
            keys=keys,
            threshold=dict(rotation.thresholds).get(name, before.threshold if before else 1),
            epoch=epoch if set(keys) == set(held) else epoch + 1,
            at_least={algorithm: needed for algorithm, needed in demands.items() if needed},
        )
    except ValidationError as error:
        raise RotationRefused(f"Role {name} would not be one: {first_fault(error)}.") from error
