"""What the desk does with the usage that sites carry here: take it in, answer with receipts, and look at all of it.

Promise: what was accepted and its receipt are one transaction. If a receipt cannot be written afterwards, the files
stay accepted, and the same command writes the same receipt again; or a new one for the same files, where the keys that
signed it were replaced since. A folder is searched for usage files wherever they lie in it; one that cannot be read
there is a finding like any other and does not keep the rest waiting. The files of one call are held in memory together,
because their order is not known before all are read. The time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from licensing.document import Verified
from licensing.envelope import Signer, parse
from licensing.errors import SignatureRefused
from licensing.licence import Licence
from licensing.receipt import Receipt, open_receipt
from licensing.shown import shown
from licensing.trust import Trust
from licensing.usage import Usage, open_usage
from licensing.usage_proof import UsageProof, read_proof, require_proven
from licensing.vendor.authenticate import claimed_site
from licensing.vendor.countersign import can_be_handed_out_again, sign_together, unfinished_name
from licensing.vendor.errors import SiteUnknown
from licensing.vendor.findings import Chain, Finding, Outcome, SiteView, Verdict
from licensing.vendor.gather import usage_files_in
from licensing.vendor.home import Home
from licensing.vendor.memory import Memory
from licensing.vendor.operations import missing_signatures
from licensing.vendor.plausibility import Doubt, doubts_about, overdue
from licensing.vendor.reconcile import reconcile
from licensing.vendor.unlock import Unlock
from licensing.vendor.usage_memory import KeptReceipt, Span
from media.errors import MediaError
from media.reader import LIMITS, read_document
from media.writer import write_document

Watch = Callable[[str, int, int], object]
"""Told what is being done, how much of it is done, and how much there is."""


def unwatched(what: str, done: int, total: int) -> None:
    """For whoever does not care how far it is."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The files looked at, with a finding each; the receipts that cover what is accepted of them; and what to look at
    besides: doubts about files newly accepted, and reports that are late from any site."""

    files: tuple[Path, ...]
    outcome: Outcome
    receipts: tuple[tuple[KeptReceipt, Path], ...]
    doubts: tuple[Doubt, ...] = ()


def reconcile_usage(
    home: Home,
    places: Sequence[Path],
    receipts: Path,
    *,
    unlock: Unlock,
    now: datetime,
    watch: Watch = unwatched,
) -> Reconciled:
    """Takes in usage files, and those in folders, and writes a receipt for each site and epoch that has something
    accepted among them. Raises MediaError for a file that was named and cannot be read."""
    files, documents, unreadable = _read(places, watch)
    trust = home.trust().claims
    with home.memory() as memory:
        signers = home.signers(trust, "receipt", unlock)
        with memory.transaction():
            home.require_settled(memory, trust)
            views = _views(memory, documents)
            outcome = reconcile(
                documents,
                views,
                everybody=memory.usage.keys_of_all_sites(),
                now=now,
                watch=lambda done: watch("checked", done, len(documents)),
            )
            due = _remember(memory, outcome, views, signers, trust, now)
            doubts = (*_doubts(memory, outcome), *_late(memory, now))
    written = [_deliver(receipt, receipts, trust) for receipt in due]
    whole = replace(outcome, findings=_in_place(outcome.findings, unreadable, len(files)))
    return Reconciled(files, whole, tuple(written), doubts)


def _read(places: Sequence[Path], watch: Watch) -> tuple[tuple[Path, ...], list[bytes], dict[int, Finding]]:
    """The files in the order found, the bytes of those that can be read, and what to say of those that cannot."""
    named = [(place, False) for place in places if not place.is_dir()]
    found = [(file, True) for place in places if place.is_dir() for file in usage_files_in(place)]
    documents: list[bytes] = []
    unreadable: dict[int, Finding] = {}
    for number, (file, in_folder) in enumerate([*named, *found]):
        try:
            documents.append(read_document(file, limit=LIMITS["usage"]))
        except MediaError as error:
            if not in_folder:
                raise
            unreadable[number] = Finding(Verdict.UNREADABLE, error.message)
        watch("read", number + 1, len(named) + len(found))
    return tuple(file for file, _ in [*named, *found]), documents, unreadable


def _in_place(findings: Sequence[Finding], others: Mapping[int, Finding], count: int) -> tuple[Finding, ...]:
    rest = iter(findings)
    return tuple(others[number] if number in others else next(rest) for number in range(count))


def _views(memory: Memory, documents: Iterable[bytes]) -> dict[str, SiteView]:
    """What is remembered of each site that these files say they are from."""
    claimed = sorted({site for site in map(claimed_site, documents) if site is not None})
    return {site: view for site in claimed if (view := memory.usage.site_view(site)) is not None}


def _remember(
    memory: Memory,
    outcome: Outcome,
    views: Mapping[str, SiteView],
    signers: Sequence[Signer],
    trust: Trust,
    now: datetime,
) -> list[KeptReceipt]:
    """Keeps what was found, and returns the receipts that are due for it."""
    for taken in outcome.taken:
        memory.usage.keep_accepted(taken, now)
    for kept in outcome.evidence:
        memory.usage.keep_evidence(kept, now)
    for chain in outcome.grown:
        _issue_receipt(memory, chain, signers, trust, now)
    covered = [each for each in dict.fromkeys(each.enrolment for each in outcome.findings if each.good) if each]
    for enrolment in covered:
        receipt = memory.usage.latest_receipt(enrolment)
        if receipt and not can_be_handed_out_again(receipt.document, trust, "receipt", signers):
            # It did not grow: what did was given its receipt under the newest trust.
            chains = (chain for view in views.values() for chain in view.chains)
            chain = next(chain for chain in chains if chain.enrolment == enrolment)
            _issue_receipt(memory, chain, signers, trust, now)
    latest = (memory.usage.latest_receipt(enrolment) for enrolment in covered)
    return [receipt for receipt in latest if receipt is not None]


def _deliver(receipt: KeptReceipt, folder: Path, trust: Trust) -> tuple[KeptReceipt, Path]:
    path = folder / receipt_name(receipt)
    if missing_signatures(receipt.document, trust, "receipt"):
        path = unfinished_name(path)
    write_document(path, receipt.document)
    return receipt, path


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


def _doubts(memory: Memory, outcome: Outcome) -> list[Doubt]:
    licences = {site: licences_of(memory, site) for site in {taken.usage.site for taken in outcome.taken}}
    return [doubt for taken in outcome.taken for doubt in doubts_about(taken.usage, licences[taken.usage.site])]


def _late(memory: Memory, now: datetime) -> list[Doubt]:
    return [doubt for site in memory.usage.sites() for doubt in site_doubts(memory, site, now)]


def site_doubts(memory: Memory, site: str, now: datetime) -> list[Doubt]:
    """What is odd about a site as a whole: a report that is late, or two epochs that count at the same time."""
    spans = memory.usage.spans(site)
    current = memory.current_enrolment(site)
    doubts = [_overlap(site, before, after) for before, after in pairwise(spans)]
    if current is not None:
        of_epoch = [span for span in spans if span.epoch == current.epoch]
        licences = licences_of(memory, site)
        latest = licences[max(licences)] if licences else None
        doubts.append(overdue(site, current.epoch, max(span.end for span in of_epoch), latest, now))
    return [doubt for doubt in doubts if doubt is not None]


def _overlap(site: str, before: Span, after: Span) -> Doubt | None:
    """A copy of an appliance that still runs after another was restored from it."""
    if not before.files or not after.files or before.epoch == after.epoch or before.end <= after.start:
        return None
    days = (before.end - after.start) / timedelta(days=1)
    return Doubt(
        site,
        after.epoch,
        None,
        "two_at_once",
        f"Epochs {before.epoch} and {after.epoch} both report on {days:.1f} days: two copies of the appliance run, or "
        "one was restored to an earlier day.",
    )


def licences_of(memory: Memory, site: str) -> dict[int, Licence]:
    """The licences issued to a site, by serial, as the memory vouches for them."""
    issued = (Licence.model_validate_json(parse(document).body) for document in memory.licences_of(site))
    return {licence.serial: licence for licence in issued}


def verify_proof(home: Home, proof_file: Path, usage_file: Path) -> tuple[UsageProof, Verified[Usage], bool]:
    """Whether one exchange is in one usage file: the proof, the file, and whether that file is among the accepted.

    Raises SiteUnknown, SignatureRefused, Malformed, WrongAudience, MediaError.
    """
    proof = read_proof(read_document(proof_file, limit=LIMITS["receipt"]))
    data = read_document(usage_file, limit=LIMITS["usage"])
    with home.memory() as memory, memory.transaction():
        view = memory.usage.site_view(proof.site)
    if view is None:
        raise SiteUnknown(f"No site {shown(proof.site)!r} was ever enrolled.")
    usage = _opened(data, view)
    require_proven(proof, usage)
    accepted = any(usage.digest in chain.accepted.values() for chain in view.chains)
    return proof, usage, accepted


def _opened(data: bytes, view: SiteView) -> Verified[Usage]:
    """The usage file, signed by any key that the site enrolled with. Raises SignatureRefused, Malformed."""
    for chain in view.chains[1:]:
        with suppress(SignatureRefused):
            return open_usage(data, chain.key)
    return open_usage(data, view.chains[0].key)
