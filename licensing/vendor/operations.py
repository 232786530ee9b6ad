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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from licensing.algorithms import digest
from licensing.envelope import Signer, parse
from licensing.keyfile import RandomBytes
from licensing.licence import Licence
from licensing.receipt import Receipt, open_receipt
from licensing.shown import shown
from licensing.site_request import open_site_request
from licensing.trust import RoleName, Trust
from licensing.vendor import issue
from licensing.vendor.authenticate import claimed_site
from licensing.vendor.countersign import can_be_handed_out_again, count, sign_together, unfinished_name
from licensing.vendor.errors import SiteUnknown
from licensing.vendor.findings import Chain, Outcome, SiteView
from licensing.vendor.home import Home
from licensing.vendor.memory import Issued, Memory
from licensing.vendor.reconcile import reconcile
from licensing.vendor.sign import sign_config, with_head
from licensing.vendor.unlock import Unlock
from licensing.vendor.usage_memory import KeptReceipt
from media.errors import AlreadyThere
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


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The outcome over the files given, and the receipts that cover what is accepted of them."""

    outcome: Outcome
    receipts: tuple[tuple[KeptReceipt, Path], ...]


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


def reconcile_usage(home: Home, files: Sequence[Path], receipts: Path, *, unlock: Unlock, now: datetime) -> Reconciled:
    """Takes usage files in, and writes a receipt for each site and epoch that has something accepted among them.

    What was accepted and its receipt are one transaction. If a receipt cannot be written afterwards, the files stay
    accepted, and the same command writes the same receipt again; or a new one for the same files, where the keys that
    signed it were replaced since.
    """
    documents = [read_document(file, limit=LIMITS["usage"]) for file in files]
    trust = home.trust().claims
    with home.memory() as memory:
        signers = home.signers(trust, "receipt", unlock)
        with memory.transaction():
            home.require_settled(memory, trust)
            views = {
                site: view
                for site in {claimed_site(document) for document in documents}
                if site is not None and (view := memory.usage.site_view(site)) is not None
            }
            outcome = reconcile(documents, views, everybody=memory.usage.keys_of_all_sites(), now=now)
            for taken in outcome.taken:
                memory.usage.keep_accepted(taken, now)
            for kept in outcome.evidence:
                memory.usage.keep_evidence(kept, now)
            for chain in outcome.grown:
                _issue_receipt(memory, chain, signers, trust, now)
            covered = dict.fromkeys(each.enrolment for each in outcome.findings if each.good)
            for enrolment in covered:
                receipt = None if enrolment is None else memory.usage.latest_receipt(enrolment)
                if receipt and not can_be_handed_out_again(receipt.document, trust, "receipt", signers):
                    _issue_receipt(memory, _chain(views, enrolment), signers, trust, now)
            due = [memory.usage.latest_receipt(enrolment) for enrolment in covered if enrolment is not None]
    written: list[tuple[KeptReceipt, Path]] = []
    for receipt in due:
        if receipt is not None:
            path = receipts / receipt_name(receipt)
            if _missing(receipt.document, trust, "receipt"):
                path = unfinished_name(path)
            write_document(path, receipt.document)
            written.append((receipt, path))
    return Reconciled(outcome, tuple(written))


def _chain(views: Mapping[str, SiteView], enrolment: int | None) -> Chain:
    """A chain that did not grow: what did was given its receipt under the newest trust."""
    return next(chain for view in views.values() for chain in view.chains if chain.enrolment == enrolment)


def receipt_name(receipt: KeptReceipt) -> str:
    """The numbers of a later epoch begin at one again; its files say so, and no two receipts share a name."""
    epoch = f"-e{receipt.epoch}" if receipt.epoch > 1 else ""
    return f"receipt-{receipt.site}{epoch}-{receipt.seq}.signed.json"


def _issue_receipt(memory: Memory, chain: Chain, signers: Sequence[Signer], trust: Trust, now: datetime) -> None:
    head, head_digest = chain.head, chain.head_digest
    if head is None or head_digest is None:
        raise ValueError("a chain that grew has a head")
    claims = Receipt(
        schema_version=1,
        serial=memory.usage.last_receipt_serial(chain.site) + 1,
        issued_at=now,
        site=chain.site,
        epoch=chain.epoch,
        licence=head.licence,
        seq=head.seq,
        head=head_digest,
        accepted_until=head.period.end,
    )
    signed = sign_together(Receipt.payload_type(), claims.to_bytes(), signers, trust, "receipt")
    if signed.quorum.complete:
        open_receipt(signed.document, trust, site=chain.site, epoch=chain.epoch)
    memory.usage.record_receipt(
        site=chain.site,
        serial=claims.serial,
        enrolment=chain.enrolment,
        seq=head.seq,
        head=head_digest,
        digest=signed.digest,
        document=signed.document,
        at=now,
    )


def _left_undelivered(last: Issued, order: str) -> bool:
    return not last.delivered and last.order == order


def _missing(document: bytes, trust: Trust, role: RoleName) -> int:
    return count(parse(document), trust, role).missing


def require_free(out: Path) -> None:
    """Said before anything is recorded: the writer would refuse it later, with a serial already used up."""
    for path in (out, unfinished_name(out)):
        if os.path.lexists(path):
            raise AlreadyThere("There is a file of this name already.", where=shown(str(path)))


def deliver(memory: Memory, kind: RoleName, issued: Issued, out: Path, trust: Trust, *, name: str) -> Delivered:
    """Writes a document that the memory has; under another name while signatures are missing."""
    missing = _missing(issued.document, trust, kind)
    path = unfinished_name(out) if missing else out
    write_document(path, issued.document)
    with memory.transaction():
        memory.mark_delivered(kind, issued.site, issued.serial)
    return Delivered(name, issued.serial, path, missing)
