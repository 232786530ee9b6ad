"""Usage: what was used, sealed into files, written out, acknowledged."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from appliance.access.authorise import Permission
from appliance.config.in_force import usage_policy
from appliance.errors import NothingToExport, UsageUnknown
from appliance.ledger.copies import former_files, keep_copies
from appliance.ledger.prove import prove
from appliance.ledger.seal import MIDNIGHT_GRACE, Sealed, due_periods, open_since, running_period, seal, sealed_files
from appliance.ledger.store import drop_entries, take_in
from appliance.ledger.unacknowledged import Use, acknowledged_seq, unacknowledged_uses
from appliance.operations.needs import needs
from appliance.state.site import Site
from licensing.algorithms import PublicKey
from licensing.document import Verified, format_time
from licensing.envelope import parse
from licensing.errors import Refusal
from licensing.licence import Licence
from licensing.ratchet import Arrival, arrive
from licensing.receipt import Receipt, open_receipt
from licensing.site_request import open_site_request
from licensing.strict_json import load_object
from licensing.usage import Period, Usage, open_usage
from licensing.usage_proof import UsageProof, read_proof, require_proven
from media.naming import naming
from media.reader import LIMITS, read_document
from media.writer import Written, write_document

CLOCK_LEAD = timedelta(hours=1)
"""How far this host's clock may be ahead of the time floor and still have days sealed by itself."""


STEADY_LEAD = timedelta(days=31)
"""The same after hours of running without a step: as long as a host may have been off. More takes a person's word, so
that a clock set wrongly and left so costs a month of days at most, never years."""


@needs(Permission.USAGE_WRITE)
def seal_due(
    site: Site, now: datetime, *, grace: timedelta = MIDNIGHT_GRACE, lead: timedelta | None = CLOCK_LEAD
) -> list[Sealed]:
    """Seals every whole day (or what is left of it) that is over. Nothing to do is no error.

    A day once sealed is sealed for ever, so a clock that is far ahead of all that is known is not believed at once:
    days beyond the time floor and `lead` are left open. None: a person says that the clock is right.
    """
    take_in(site.database, site.journal_folder, now)
    horizon = now if lead is None else min(now, site.time_floor().at + lead)
    sealed: list[Sealed] = []
    while (period := next(due_periods(open_since(site), horizon, grace), None)) is not None:
        sealed += _seal(site, period, now)
    keep_copies(site)
    return sealed


@needs(Permission.USAGE_READ)
def held_back(site: Site, now: datetime) -> int:
    """How many days are over by this host's clock, and not sealed because that clock is not believed yet."""
    return sum(1 for _ in due_periods(open_since(site), now))


@needs(Permission.USAGE_WRITE)
def seal_now(site: Site, now: datetime, *, lead: timedelta | None = CLOCK_LEAD) -> list[Sealed]:
    """Seals what is over, and closes the day that is running at this second: the rest of it gets a file of its own."""
    sealed = seal_due(site, now, grace=timedelta(0), lead=lead)
    running = running_period(open_since(site), now)
    if running is None or (held_back(site, now) and lead is not None):
        return sealed
    sealed += _seal(site, running, now)
    keep_copies(site)
    return sealed


def _seal(site: Site, period: Period, now: datetime) -> list[Sealed]:
    made = seal(site, period, _licence(site), now, usage_policy(site).labels)
    return [made] if made else []


@needs(Permission.USAGE_WRITE)
def drop_old(site: Site) -> int:
    """Drops exchanges whose retention is over and whose file the vendor has acknowledged; says how many.

    Their files, and with them the roots, stay. By the time floor, not by a clock that may have gone wild.
    """
    before = site.time_floor().at - timedelta(days=usage_policy(site).retention_days)
    return drop_entries(site.database, acknowledged_seq(site), before)


@needs(Permission.USAGE_WRITE)
def export_usage(site: Site, folder: Path, *, everything: bool = False) -> list[Written]:
    """Writes the sealed files that the vendor has not acknowledged yet (or all). Raises NothingToExport, MediaError."""
    after = 0 if everything else acknowledged_seq(site)
    files = [*former_files(site.database, everything=everything), *sealed_files(site.database, after)]
    if not files:
        raise NothingToExport("There is no sealed usage that the vendor has not acknowledged already.")
    return [write_document(folder / each.name, each.data) for each in files]


@needs(Permission.USAGE_WRITE)
def import_receipt(site: Site, file: Path, now: datetime) -> tuple[Receipt, Arrival]:
    """Records the vendor's acknowledgement.

    Raises UsageUnknown where it names a file that this site never sealed, and what signatures and serials refuse.
    """
    data = read_document(file, limit=LIMITS["receipt"])
    with naming(file):
        return take_receipt(site, data, now)


@needs(Permission.USAGE_READ)
def examine_receipt(site: Site, data: bytes) -> tuple[Verified[Receipt], Arrival]:
    """What a receipt would do here, all that could refuse it checked; nothing is changed."""
    verified = open_receipt(data, site.trust(), site=site.id, epoch=site.epoch)
    _check_head(site, verified)
    if _known(site, verified):
        return verified, Arrival.SAME
    return verified, arrive(
        site.floor_of(verified.role),
        role=verified.role,
        key_epoch=verified.key_epoch,
        serial=verified.claims.serial,
        digest=verified.digest,
    )


@needs(Permission.USAGE_WRITE)
def take_receipt(site: Site, data: bytes, now: datetime) -> tuple[Receipt, Arrival]:
    """The same as `import_receipt` for bytes that were read already."""
    verified, known = examine_receipt(site, data)
    receipt = verified.claims
    if known is Arrival.SAME:
        return receipt, known

    def record() -> None:
        site.database.execute(
            "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?, ?, ?)",
            (
                verified.key_epoch,
                receipt.serial,
                receipt.seq,
                receipt.head,
                format_time(receipt.accepted_until),
                format_time(now),
            ),
        )

    arrival = site.accept(
        verified,
        data,
        slot="receipt",
        now=now,
        before_commit=record,
    )
    return receipt, arrival


@needs(Permission.USAGE_READ)
def uses(site: Site, now: datetime) -> list[Use]:
    """Totals per team and model of all exchanges that the vendor has not acknowledged yet."""
    return unacknowledged_uses(site, now)


@needs(Permission.USAGE_READ)
def unacknowledged_files(site: Site) -> list[Sealed]:
    """Sealed, and not acknowledged by the vendor."""
    return sealed_files(site.database, acknowledged_seq(site))


@needs(Permission.USAGE_READ)
def every_file(site: Site) -> list[Sealed]:
    """Every file of this epoch, acknowledged or not."""
    return sealed_files(site.database)


@needs(Permission.USAGE_READ)
def usage_file(site: Site, seq: int) -> Sealed:
    """One sealed file of this epoch. Raises UsageUnknown."""
    found = next((each for each in sealed_files(site.database, seq - 1) if each.seq == seq), None)
    if found is None:
        raise UsageUnknown(f"There is no usage file {seq}.")
    return found


@needs(Permission.USAGE_READ)
def own_key(site: Site) -> PublicKey:
    """The key that signs this site's usage files."""
    return site.key.public_key


@needs(Permission.USAGE_READ)
def read_usage_file(site: Site, file: Path) -> Usage:
    """What one of this site's own usage files says, signature checked."""
    return open_usage_file(file, site.key.public_key).claims


def open_usage_file(file: Path, key: PublicKey) -> Verified[Usage]:
    """A usage file that this key signed. Raises MediaError, Malformed, WrongKind, SignatureRefused."""
    return open_usage(read_document(file, limit=LIMITS["usage"]), key)


def look_into_usage_file(file: Path) -> Usage:
    """What a usage file says, whoever signed it: where there is no site to hold it against."""
    return Usage.from_mapping(load_object(parse(read_document(file, limit=LIMITS["usage"])).body))


def key_in_request(file: Path) -> PublicKey:
    """The key of the site whose request this is."""
    return open_site_request(read_document(file, limit=LIMITS["site-request"])).claims.key.key


@needs(Permission.USAGE_READ)
def prove_exchange(site: Site, name: str) -> UsageProof:
    """The proof that the exchange with this request id is in its sealed file."""
    return prove(site.database, name, site.key.public_key, site.key.derive)


def check_proof(proof: Path, file: Path, key: PublicKey) -> UsageProof:
    """The proof, if it holds against this usage file and the file against this key. Raises what does not."""
    shown = read_proof(read_document(proof, limit=LIMITS["usage"]))
    require_proven(shown, open_usage_file(file, key))
    return shown


def _check_head(site: Site, verified: Verified[Receipt]) -> None:
    receipt = verified.claims
    row = site.database.execute("SELECT digest FROM usage_files WHERE seq = ?", (receipt.seq,)).fetchone()
    if row is None:
        raise UsageUnknown(f"The receipt acknowledges usage file {receipt.seq}, which this site has never sealed.")
    if row["digest"] != receipt.head:
        raise UsageUnknown(
            f"The receipt acknowledges another usage file {receipt.seq} than the one this site sealed.",
            remedy="Keep the receipt and call the vendor: somebody else may be using this site's key.",
        )


def _known(site: Site, verified: Verified[Receipt]) -> bool:
    """An older receipt brought along again says nothing new, and is no rollback: it can only acknowledge what it
    did."""
    row = site.database.execute(
        "SELECT digest FROM documents WHERE role = 'receipt' AND key_epoch = ? AND serial = ?",
        (verified.key_epoch, verified.claims.serial),
    ).fetchone()
    return row is not None and row["digest"] == verified.digest


def _licence(site: Site) -> Licence | None:
    licence = site.licence(site.trust())
    return None if licence is None or isinstance(licence, Refusal) else licence.claims
