"""What the desk does, each act from beginning to end: remember, then let the file go.

Promise: memory first. A document is committed to vendor.db, together with all that it rests on, before the first byte
of its file is written; so no document is ever out in the world that the vendor does not know. The price is that a file
may be lost on its way out, through a full medium or a power cut: the same command, given again, then writes the same
bytes (a licence within RETRY_WINDOW, because its dates were counted from when it was issued). The keys are those that
the newest trust names; a document that was signed by others since replaced is not handed out again but issued anew.
Where a role needs more signatures than this home can give, the file says in its name that it is unfinished. Keys are
opened before the memory is locked, and the time is an argument.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from licensing.algorithms import digest
from licensing.envelope import parse
from licensing.keyfile import RandomBytes
from licensing.licence import Licence
from licensing.shown import shown
from licensing.site_request import open_site_request
from licensing.trust import RoleName, Trust
from licensing.vendor import issue
from licensing.vendor.countersign import can_be_handed_out_again, count, unfinished_name
from licensing.vendor.errors import SiteUnknown
from licensing.vendor.home import Home
from licensing.vendor.memory import Issued, Memory
from licensing.vendor.sign import sign_config, with_head
from licensing.vendor.unlock import Unlock
from media.errors import AlreadyThere
from media.naming import naming
from media.reader import LIMITS, read_document
from media.writer import write_document

RETRY_WINDOW: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A document in memory and on the medium; `missing` signatures at the least are still to come."""

    name: str
    serial: int
    file: Path
    missing: int = 0


def issue_licence(
    home: Home,
    request_file: Path,
    terms: issue.Terms,
    out: Path,
    *,
    re_enrol: bool,
    unlock: Unlock,
    now: datetime,
    random: RandomBytes,
) -> Delivered:
    """Issues the next licence of the site whose request this is, and enrols the site where it is new."""
    document = read_document(request_file, limit=LIMITS["site-request"])
    with naming(request_file):
        request = open_site_request(document)
    site, epoch = request.claims.site, request.claims.epoch
    trust = home.trust().claims
    issue.require_delegable(terms, trust)
    order = terms.digest_for(request)
    with home.memory() as memory:
        signers = home.signers(trust, "licence", unlock)
        with memory.transaction():
            home.require_settled(memory, trust)
            known = memory.current_enrolment(site)
            if issue.require_enrollable(
                request.claims,
                current=None if known is None else (known.key, known.epoch),
                owners=memory.owners_of(request.claims.key.key.keyid),
                re_enrol=re_enrol,
            ):
                memory.enrol(request, document, now)
            last = memory.last_licence(site)
            if (
                last is not None
                and _left_undelivered(last, order)
                and now - last.at <= RETRY_WINDOW
                and can_be_handed_out_again(last.document, trust, "licence", signers)
            ):
                issued, name = last, _claims(last.document).licence
            else:
                serial = last.serial + 1 if last else 1
                delegated = [
                    each.config_delegation
                    for each in map(_claims, memory.licences_of(site))
                    if each.config_delegation is not None
                ]
                claims = issue.build(
                    terms, request.claims, serial=serial, now=now, random=random, delegated_before=delegated
                )
                name = claims.licence
                issue.require_free_id(name, site, memory.licence_holders(name))
                require_free(out)
                signed = issue.sign_licence(claims, signers, trust)
                issued = Issued(site, serial, order, signed.document, now, delivered=False)
                memory.record_licence(issued, licence=name, epoch=epoch, digest=signed.digest)
        return deliver(memory, "licence", issued, out, trust, name=name)


def _claims(document: bytes) -> Licence:
    """Of a licence in memory, which vouches for it."""
    return Licence.model_validate_json(parse(document).body)


def sign_config_for(home: Home, file: Path, site: str, out: Path, *, unlock: Unlock, now: datetime) -> Delivered:
    """Signs the next config of a site that was enrolled before."""
    text = read_document(file, limit=LIMITS["config"])
    trust = home.trust().claims
    order = digest(text)
    with home.memory() as memory:
        signers = home.signers(trust, "config", unlock)
        with memory.transaction():
            home.require_settled(memory, trust)
            if memory.current_enrolment(site) is None:
                raise SiteUnknown(f"No site {shown(site)!r} was ever enrolled.")
            last = memory.last_config(site)
            if (
                last is not None
                and _left_undelivered(last, order)
                and can_be_handed_out_again(last.document, trust, "config", signers)
            ):
                issued = last
            else:
                serial = last.serial + 1 if last else 1
                body = with_head(text, file=shown(str(file)), site=site, serial=serial, now=now)
                require_free(out)
                signed = sign_config(body, signers, trust)
                issued = Issued(site, serial, order, signed.document, now, delivered=False)
                memory.record_config(issued, digest=signed.digest)
        return deliver(memory, "config", issued, out, trust, name=site)


def _left_undelivered(last: Issued, order: str) -> bool:
    return not last.delivered and last.order == order


def missing_signatures(document: bytes, trust: Trust, role: RoleName) -> int:
    """How many must still sign a document before a site takes it."""
    return count(parse(document), trust, role).missing


def require_free(out: Path) -> None:
    """Said before anything is recorded: the writer would refuse it later, with a serial already used up."""
    for path in (out, unfinished_name(out)):
        if os.path.lexists(path):
            raise AlreadyThere("There is a file of this name already.", where=shown(str(path)))


def deliver(memory: Memory, kind: RoleName, issued: Issued, out: Path, trust: Trust, *, name: str) -> Delivered:
    """Writes a document that the memory has; under another name while signatures are missing."""
    missing = missing_signatures(issued.document, trust, kind)
    path = unfinished_name(out) if missing else out
    write_document(path, issued.document)
    with memory.transaction():
        memory.mark_delivered(kind, issued.site, issued.serial)
    return Delivered(name, issued.serial, path, missing)
