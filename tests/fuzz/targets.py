"""What is fuzzed: one function a reader, its seeds, and how many bytes it may be given.

The promise that each function checks: whatever the bytes are, the reader answers or refuses (`LicensingError`,
`MediaError`; a config also `ConfigRefused`), and what it believed means the same when it is written and read again.
Anything else that leaves a function here is a finding.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.config.open import open_config
from appliance.errors import ConfigRefused
from appliance.ledger.journal import SUFFIX, left_open, read_from
from appliance.ledger.store import take_in
from appliance.state.database import open_database
from licensing.document import PAYLOAD_TYPES, Body, Verified
from licensing.envelope import VerifiedBody, parse, to_clear, to_json
from licensing.errors import LicensingError, Refusal
from licensing.licence import Licence, open_licence
from licensing.merkle import root_of
from licensing.receipt import Receipt, open_receipt
from licensing.release import Release, open_release
from licensing.site_request import SiteRequest, open_site_request
from licensing.strict_json import canonical
from licensing.time_token import TimeToken, open_time_token
from licensing.trust import Trust, advance, claimed_version, pin
from licensing.usage import Counts, Usage, faults_between, faults_within, open_usage, tree_of
from licensing.usage_proof import make_proof, read_proof, require_proven
from licensing.vendor.billing.invoice import draft
from licensing.vendor.billing.rate_card import read_rate_card
from licensing.vendor.billing.totals import Line
from licensing.vendor.errors import RateCardRefused
from media.errors import MediaError, YamlRefused
from media.reader import LIMITS
from media.strict_yaml import load
from tests.appliance.entries import begun, entry, line_bytes
from tests.licensing.documents import (
    CONFIG_TEXT,
    SITE,
    clear_signed,
    key,
    key_record,
    keys,
    licence_members,
    receipt_members,
    release_members,
    signed,
    site_request_members,
    trust,
    trust_members,
    usage_members,
)

TRUST = trust()
CHALLENGE = "0123456789abcdef0123456789abcdef"
OFFICERS = keys("officer-1", "officer-2")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
REFUSED = (LicensingError, MediaError)


@dataclass(frozen=True)
class Target:
    """`run` raises where its promise is broken. `limit`: the most bytes worth trying; real limits are higher."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    limit: int = 8 * 1024


# -- envelopes and documents -------------------------------------------------------------------------------------------


def read_envelope(data: bytes) -> None:
    try:
        envelope = parse(data)
    except REFUSED:
        return
    assert parse(to_json(envelope)) == envelope
    with contextlib.suppress(LicensingError):
        clear = to_clear(envelope)
        assert parse(clear) == envelope


@dataclass(frozen=True)
class Kind:
    body: type[Body]
    members: dict[str, Any]
    signer: str
    openers: tuple[Callable[[bytes], object], ...]


USAGE_ROW = {
    "org": "hospital",
    "team": "ward-3",
    "key": "key_000000000001",
    "model": "chat",
    "provider": "demo",
    "counts": {"requests": 2, "prompt_tokens": 7},
    "latency_ms": {"p50": 1, "p95": 2, "p99": 3},
    "entries_root": "sha256:" + "0" * 64,
}
KINDS: Mapping[str, Kind] = {
    "release": Kind(Release, release_members(), "release-1", (functools.partial(open_release, trust=TRUST),)),
    "trust": Kind(
        Trust, trust_members(serial=2), "root-1", (pin, functools.partial(advance, TRUST), claimed_version)
    ),
    "licence": Kind(
        Licence,
        licence_members(
            usage={"report_every_days": 30, "when_overdue": "block"},
            config_delegation={"keys": [key_record(each) for each in OFFICERS], "threshold": 2, "epoch": 1},
        ),
        "licence-1",
        (functools.partial(open_licence, trust=TRUST),),
    ),
    "receipt": Kind(
        Receipt,
        receipt_members(licence="L-2026-0007"),
        "receipt-1",
        (functools.partial(open_receipt, trust=TRUST, site=SITE, epoch=1),),
    ),
    "time": Kind(
        TimeToken,
        {
            "kind": "time", "schema": 1, "serial": 1, "issued_at": "2026-03-01T08:00:00Z", "site": SITE, "epoch": 1,
            "challenge": CHALLENGE,
        },
        "time-1",
        (functools.partial(open_time_token, trust=TRUST, site=SITE, epoch=1, challenge=CHALLENGE),),
    ),
    "usage": Kind(
        Usage,
        usage_members(rows=[USAGE_ROW], deltas={"chat": {"requests": 2}}, registers={"chat": {"requests": 9}}),
        "site",
        (functools.partial(open_usage, site_key=key("site").public_key),),
    ),
    "site-request": Kind(
        SiteRequest,
        site_request_members(challenge=CHALLENGE, hardware={"mac": ["sha256:" + "1" * 64]}),
        "site",
        (open_site_request,),
    ),
}  # fmt: skip


def read_document(name: str, data: bytes) -> None:
    """Once as a file, and once as the body of one whose signature is good: most bytes do not get past a signature."""
    kind = KINDS[name]
    for opener in kind.openers:
        with contextlib.suppress(*REFUSED):
            opener(data)
    try:
        claims = kind.body.from_verified(VerifiedBody(kind.body.payload_type(), data, ()))
    except REFUSED:
        return
    written = claims.to_bytes()
    again = kind.body.from_verified(VerifiedBody(kind.body.payload_type(), written, ()))
    assert again == claims
    assert again.to_bytes() == written
    if isinstance(claims, Usage):
        assert all(isinstance(fault, str) for fault in (*faults_within(claims), *faults_between(None, claims)))


def document_seeds(name: str) -> list[bytes]:
    kind = KINDS[name]
    body = canonical(kind.members)
    return [body, signed(name, body, key(kind.signer)), b"{}", b'{"kind":"%b"}' % name.encode()]


def proven_usage() -> Verified[Usage]:
    members = usage_members(rows=[{**USAGE_ROW, "counts": {"requests": 1}, "entries_root": root_of([b'{"id":"1"}'])}])
    members["tree"] = tree_of(Usage.from_mapping(members).rows).model_dump()
    return open_usage(signed("usage", members, key("site")), key("site").public_key)


PROVEN = proven_usage()


def read_usage_proof(data: bytes) -> None:
    """Only the bytes of the one exchange that is in the file lead to its root."""
    try:
        proof = read_proof(data)
        require_proven(proof, PROVEN)
    except REFUSED:
        return
    assert read_proof(proof.to_bytes()) == proof
    assert proof.entry == {"id": "1"}


def read_rates(data: bytes) -> None:
    try:
        card = read_rate_card(data, "rates.yaml")
    except RateCardRefused:
        return
    made = draft([Line("s", card.valid_from, "o", "t", "acme-1", Counts(requests=3, prompt_tokens=10**9))], card)
    assert made.total == sum(item.amount for item in made.items)


RATES = (
    b"kind: rate-card\nschema: 1\nname: n\ncurrency: EUR\ndecimals: 2\nvalid_from: 2027-01-01\n"
    b'rates:\n  - models: "acme-*"\n    per_request: "0.0001"\n    per_million_prompt_tokens: "1.20"\n'
)


# -- configs and YAML --------------------------------------------------------------------------------------------------

CONFIG = CONFIG_TEXT[: CONFIG_TEXT.index(b"models:")] + (
    b"models:\n"
    b"  - alias: chat\n"
    b"    provider: {name: openai-compatible, model: m, api_base: 'http://gpu-1/v1', api_key: \"${KEY}\"}\n"
    b"    tags: [a, b]\n"
    b"  - alias: demo\n"
    b"    provider:\n"
    b"      name: demo\n"
)


def read_config(data: bytes) -> None:
    """As a file, and as the text that two officers have signed."""
    refused = (*REFUSED, ConfigRefused)
    with contextlib.suppress(*refused):
        open_config(data, TRUST, site=SITE)
    try:
        file = clear_signed(data, *OFFICERS)
    except LicensingError:
        return
    try:
        opened = open_config(file, TRUST, site=SITE)
    except refused:
        return
    assert opened.text.encode() == data
    assert opened.verified.claims.deployments


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def read_yaml(data: bytes) -> None:
    said = ""
    try:
        document = load(data)
    except YamlRefused as refusal:
        said = str(refusal)
    if said:
        assert not _CONTROL.search(said)
        return
    assert document.where(("nowhere", 0)).startswith("line ")
    for text in _strings(document.value):
        assert not _CONTROL.search(text)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.items() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from (text for part in (each if isinstance(each, tuple) else (each,)) for text in _strings(part))


# -- the journal -------------------------------------------------------------------------------------------------------


@functools.cache
def _ledger() -> tuple[Any, Path]:
    return open_database(Path(":memory:")), Path(tempfile.mkdtemp(prefix="fuzz-journal-"))


def read_journal(data: bytes) -> None:
    """As it stands, and with the checksum of every line made good: a checksum is no signature.

    What is read goes into a ledger too, because an entry that cannot be stored would stop everything after it.
    """
    database, folder = _ledger()
    segment = folder / f"it{SUFFIX}"
    for content in (data, b"".join(b"%08x %b\n" % (zlib.crc32(line), line) for line in data.split(b"\n"))):
        segment.write_bytes(content)
        piece = read_from(segment, 0)
        assert 0 <= piece.upto <= len(content)
        assert len({each.id for each in left_open(segment)}) <= content.count(b"\n")
        with contextlib.suppress(Refusal):
            take_in(database, folder, NOW)
        for table in ("ledger", "segments", "anomalies"):
            database.execute(f"DELETE FROM {table}")
        segment.unlink()


def journal_seeds() -> list[bytes]:
    lines = [line_bytes(begun("a")), line_bytes(entry("a")), line_bytes(begun("b"))]
    return [b"".join(lines), b"".join(lines)[:-7], b"\n".join(line[9:-1] for line in lines)]


TARGETS: Mapping[str, Target] = {
    "envelope": Target(
        read_envelope,
        lambda: [signed("licence", licence_members(), key("licence-1")), clear_signed(CONFIG_TEXT, *OFFICERS), b"{}"],
    ),
    **{name: Target(functools.partial(read_document, name), functools.partial(document_seeds, name)) for name in KINDS},
    "config": Target(read_config, lambda: [CONFIG, clear_signed(CONFIG, *OFFICERS), CONFIG_TEXT]),
    "yaml": Target(
        read_yaml,
        lambda: [
            CONFIG,
            b'a: [1, -2.5, true, ~, "x\\u00e9"]\n',
            b"? a\n: - |\n    b\n  - >-\n    c\n",
            b"{a: b, c: []}\n",
        ],
        limit=16 * 1024,
    ),
    "usage-proof": Target(
        read_usage_proof, lambda: [make_proof(PROVEN, 0, [b'{"id":"1"}'], 0).to_bytes(), b"{}", b"[" * 5000]
    ),
    "rate-card": Target(read_rates, lambda: [RATES, RATES + b"valid_until: 2028-01-01\n", b"- a\n"]),
    "journal": Target(read_journal, journal_seeds, limit=32 * 1024),
}

assert {*KINDS, "config"} == set(PAYLOAD_TYPES), "every kind of document has a target, or is read by none"
assert all(target.limit <= LIMITS["licence"] for target in TARGETS.values())

CORPUS = Path(__file__).parent / "corpus"
"""What earlier runs learnt: a file a target, an input a line, as base64. Written by `python -m tests.fuzz --keep`."""


def kept(name: str) -> list[bytes]:
    """The inputs that are kept of a target."""
    file = CORPUS / f"{name}.txt"
    return [base64.b64decode(line) for line in file.read_text("ascii").splitlines()] if file.is_file() else []
