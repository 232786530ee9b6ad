"""One byte changed, added or taken away, in a document of any kind: refused.

It is accepted in one case only, and that is stated exactly: where the file differs in nothing but what nobody signs
(tests/licensing/unsigned_spelling.py; the reason is in FORMATS.md). Then it is the same body, the same digest, the same
signers and the same claims. Every position is tried with each flipped bit and each byte that means something to JSON,
base64, YAML or a line-based reader; and, in one file of either form, all that is not payload or signature with all 255
other bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from licensing.document import PAYLOAD_TYPES, Verified
from licensing.envelope import VerifiedBody, parse, to_json
from licensing.errors import LicensingError
from licensing.licence import open_licence
from licensing.receipt import open_receipt
from licensing.release import open_release
from licensing.site_request import open_site_request
from licensing.time_token import open_time_token
from licensing.trust import RoleName, Trust, advance, pin
from licensing.usage import open_usage
from tests.licensing import test_both_algorithms as both
from tests.licensing.documents import (
    CONFIG_TEXT,
    ISSUED,
    SITE,
    clear_signed,
    envelope_of,
    key,
    licence_members,
    receipt_members,
    release_members,
    signed,
    site_request_members,
    trust,
    trust_members,
    usage_members,
)
from tests.licensing.unsigned_spelling import unsigned_spelling

ONE_KEY = {role: (f"{role}-1",) for role in ("root", "licence", "receipt", "time", "release")} | {
    "config": ("officer-1",)
}
TRUST = trust(role_keys=ONE_KEY, thresholds=dict.fromkeys(ONE_KEY, 1))
SPEAKING = b"\x00\t\n\r \"#'+,-/:0=A[\\]_{}\x7f\x80\xff"
CHALLENGE = "0123456789abcdef" * 2
TIME = {"kind": "time", "schema": 1, "serial": 2, "issued_at": ISSUED, "site": SITE, "epoch": 1, "challenge": CHALLENGE}
Opened = tuple[str, bytes | str, tuple[str, ...]]


def believed(document: Verified[object]) -> Opened:
    return repr(document.claims), document.digest, document.signers


def verified(data: bytes, role: RoleName) -> Opened:
    body: VerifiedBody = TRUST.verify(parse(data), role=role, payload_type=PAYLOAD_TYPES[role])
    return body.payload_type, body.body, body.signers


@dataclass(frozen=True)
class Case:
    """A genuine file, and how a site opens it. `every` so many positions are tried, where a verification is dear;
    `whole` frames are tried with all bytes."""

    data: bytes
    opens: Callable[[bytes], Opened]
    every: int = 1
    whole: bool = False

    def payload(self) -> range:
        """Where the signed body lies in the file."""
        return self._member(b'"payload":"') or range(len(CONFIG_TEXT))

    def signature(self) -> range:
        return self._member(b'"sig":"')

    def _member(self, marker: bytes) -> range:
        start = self.data.find(marker) + len(marker)
        return range(start, self.data.index(b'"', start)) if marker in self.data else range(0)


def small_trust(serial: int) -> bytes:
    return signed(
        "trust", trust_members(serial=serial, role_keys={"root": ("root-1",)}, thresholds={"root": 1}), key("root-1")
    )


@cache
def before() -> Trust:
    return pin(small_trust(1)).claims


BOTH = (key("licence-1"), both.second("licence-1"))
CASES: dict[str, Case] = {
    "trust, pinned": Case(small_trust(1), lambda data: believed(pin(data))),
    "trust, advanced": Case(small_trust(2), lambda data: believed(advance(before(), data))),
    "site-request": Case(
        signed("site-request", site_request_members(), key("site")), lambda data: believed(open_site_request(data))
    ),
    "licence": Case(
        signed("licence", licence_members(), key("licence-1")),
        lambda data: believed(open_licence(data, TRUST)),
    ),
    "config, clear-signed": Case(
        clear_signed(CONFIG_TEXT, key("officer-1")), lambda data: verified(data, "config"), whole=True
    ),
    "config, as JSON": Case(
        to_json(envelope_of("config", CONFIG_TEXT, key("officer-1"))), lambda data: verified(data, "config")
    ),
    "usage": Case(
        signed("usage", usage_members(), key("site")), lambda data: believed(open_usage(data, key("site").public_key))
    ),
    "receipt": Case(
        signed("receipt", receipt_members(), key("receipt-1")),
        lambda data: believed(open_receipt(data, TRUST, site=SITE, epoch=1)),
    ),
    "time": Case(
        signed("time", TIME, key("time-1")),
        lambda data: believed(open_time_token(data, TRUST, site=SITE, epoch=1, challenge=CHALLENGE)),
        whole=True,
    ),
    "release": Case(
        signed("release", release_members(), key("release-1")), lambda data: believed(open_release(data, TRUST))
    ),
    "licence, by both algorithms": Case(
        signed("licence", licence_members(), *BOTH), lambda data: believed(open_licence(data, both.trust())), every=19
    ),
    "trust, by both algorithms": Case(both.trust_file(), lambda data: believed(pin(data)), every=41),
}
EACH = pytest.mark.parametrize("kind", CASES)


def test_every_kind_is_here() -> None:
    assert {kind.partition(",")[0] for kind in CASES} == set(PAYLOAD_TYPES)


def require_refused_or_the_same(case: Case, variants: Iterable[bytes]) -> int:
    """Fails where anything is accepted that differs in something signed, where what is accepted says another thing, or
    where the freedoms are not what they are said to be. The number of what was refused."""
    genuine, spelling = case.opens(case.data), unsigned_spelling(case.data)
    refused = 0
    for data in variants:
        try:
            opened = case.opens(data)
        except LicensingError:  # any other exception fails the test
            assert unsigned_spelling(data) != spelling, data
            refused += 1
        else:
            assert opened == genuine
            assert unsigned_spelling(data) == spelling, data
    return refused


def telling(byte: int) -> set[int]:
    return {byte ^ 1 << bit for bit in range(8)} | set(SPEAKING)


def changes(case: Case) -> Iterator[bytes]:
    payload, signature = case.payload(), case.signature()
    for position, byte in list(enumerate(case.data))[:: case.every]:
        framing = case.whole and position not in payload and position not in signature
        for other in range(256) if framing else telling(byte):
            if other != byte:
                yield case.data[:position] + bytes([other]) + case.data[position + 1 :]


@EACH
def test_one_changed_byte_is_refused(kind: str) -> None:
    case = CASES[kind]
    assert require_refused_or_the_same(case, changes(case)) > len(case.data) * 10 // case.every


@EACH
def test_one_byte_more_is_refused(kind: str) -> None:
    case = CASES[kind]
    payload = case.payload()
    require_refused_or_the_same(
        case,
        (
            case.data[:position] + bytes([byte]) + case.data[position:]
            for position in range(0, len(case.data) + 1, case.every)
            for byte in (b'\x00\n\r "A=\\\xff' if position not in payload else b"\nA\\")
        ),
    )


@EACH
def test_one_byte_less_is_refused(kind: str) -> None:
    case = CASES[kind]
    positions = range(0, len(case.data), case.every)
    require_refused_or_the_same(case, (case.data[:at] + case.data[at + 1 :] for at in positions))


@EACH
def test_every_truncation_is_refused(kind: str) -> None:
    """Only the newline after a JSON envelope, which is no part of it, may be missing."""
    case = CASES[kind]
    whole = len(case.data)
    shorter = [case.data[:length] for length in range(whole)] + [case.data[start:] for start in range(1, whole)]
    spared = 1 if case.data.startswith(b"{") else 0
    assert require_refused_or_the_same(case, shorter) == len(shorter) - spared


def test_what_is_accepted_of_a_changed_byte_is_a_key_id_or_white_space() -> None:
    """The freedoms counted out on one file, so that none is wider than it is said to be."""
    case = CASES["licence"]
    spelling = unsigned_spelling(case.data)
    places = {
        position
        for position in range(len(case.data))
        for byte in telling(case.data[position]) - {case.data[position]}
        if unsigned_spelling(case.data[:position] + bytes([byte]) + case.data[position + 1 :]) == spelling
    }
    keyid = case._member(b'"keyid":"')
    assert places == {*keyid, len(case.data) - 1}
