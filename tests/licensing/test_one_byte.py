"""One changed byte, or one byte less: refused, or the same verified body by the same signers. Nothing in between.

Every position is tried: outside the payload and the signatures with all 255 other bytes; within those, where all that
another letter can do is to change the body or the signature, with each flipped bit and with each byte that means
something to JSON, base64, YAML or a line-based reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from licensing.document import PAYLOAD_TYPES, Verified
from licensing.envelope import VerifiedBody, parse
from licensing.errors import LicensingError
from licensing.licence import open_licence
from licensing.receipt import open_receipt
from licensing.site_request import open_site_request
from licensing.trust import Trust, advance, pin
from licensing.usage import open_usage
from tests.licensing.documents import (
    CONFIG_TEXT,
    SITE,
    Key,
    clear_signed,
    key,
    licence_members,
    receipt_members,
    signed,
    site_request_members,
    trust,
    trust_members,
    usage_members,
)

ONE_KEY = {"root": ("root-1",), "licence": ("licence-1",), "config": ("officer-1",), "receipt": ("receipt-1",)}
THRESHOLD_ONE = dict.fromkeys(ONE_KEY, 1)
TRUST = trust(role_keys=ONE_KEY, thresholds=THRESHOLD_ONE)
SPEAKING = b"\x00\t\n\r \"#'+,-/:0=A[\\]_{}\x7f\x80\xff"
Opened = tuple[str, bytes | str, tuple[str, ...]]


def believed(document: Verified[object]) -> Opened:
    return repr(document.claims), document.digest, document.signers


def config(data: bytes) -> Opened:
    verified: VerifiedBody = TRUST.verify(parse(data), role="config", payload_type=PAYLOAD_TYPES["config"])
    return verified.payload_type, verified.body, verified.signers


@dataclass(frozen=True)
class Case:
    data: bytes
    opens: Callable[[bytes], Opened]

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


def before() -> Trust:
    return pin(small_trust(1)).claims


def case(kind: str) -> Case:
    site: Key = key("site")
    match kind:
        case "licence":
            return Case(
                signed("licence", licence_members(), key("licence-1")), lambda data: believed(open_licence(data, TRUST))
            )
        case "config":
            return Case(clear_signed(CONFIG_TEXT, key("officer-1")), config)
        case "usage":
            return Case(
                signed("usage", usage_members(), site), lambda data: believed(open_usage(data, site.public_key))
            )
        case "receipt":
            return Case(
                signed("receipt", receipt_members(), key("receipt-1")),
                lambda data: believed(open_receipt(data, TRUST, site=SITE, epoch=1)),
            )
        case "site-request":
            return Case(
                signed("site-request", site_request_members(), site), lambda data: believed(open_site_request(data))
            )
        case "trust pinned":
            return Case(small_trust(1), lambda data: believed(pin(data)))
        case _:
            current = before()
            return Case(small_trust(2), lambda data: believed(advance(current, data)))


KINDS = ["licence", "config", "usage", "receipt", "site-request", "trust pinned", "trust advanced"]


def changes(case: Case) -> Iterator[bytes]:
    payload, signature = case.payload(), case.signature()
    for position, byte in enumerate(case.data):
        telling = {byte ^ 1 << bit for bit in range(8)} | set(SPEAKING)
        tried = telling if position in payload or position in signature else range(256)
        for other in tried:
            if other != byte:
                yield case.data[:position] + bytes([other]) + case.data[position + 1 :]


def refused_or_the_same(case: Case, data: bytes, genuine: Opened) -> bool:
    """Whether `data` was refused. Any other exception passes through and fails the test."""
    try:
        assert case.opens(data) == genuine
    except LicensingError:
        return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_byte_changes_nothing_or_is_refused(kind: str) -> None:
    subject = case(kind)
    genuine = subject.opens(subject.data)
    answers = [refused_or_the_same(subject, data, genuine) for data in changes(subject)]
    assert answers.count(True) > answers.count(False)


@pytest.mark.parametrize("kind", KINDS)
def test_one_byte_more_changes_nothing_or_is_refused(kind: str) -> None:
    subject = case(kind)
    genuine = subject.opens(subject.data)
    payload = subject.payload()
    for position in range(len(subject.data) + 1):
        for byte in b'\x00\n\r "A=\xff' if position not in payload else b"\nA":
            data = subject.data[:position] + bytes([byte]) + subject.data[position:]
            refused = refused_or_the_same(subject, data, genuine)
            assert refused or position not in payload[1:]


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_is_refused(kind: str) -> None:
    """Only the newline after a JSON envelope, which is no part of it, may be missing."""
    subject = case(kind)
    genuine = subject.opens(subject.data)
    last = len(subject.data) - (1 if subject.data.startswith(b"{") else 0)
    assert all(refused_or_the_same(subject, subject.data[:length], genuine) for length in range(last))
    assert all(refused_or_the_same(subject, subject.data[start:], genuine) for start in range(1, len(subject.data)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_missing_byte_is_refused_or_changes_nothing(kind: str) -> None:
    subject = case(kind)
    genuine = subject.opens(subject.data)
    for position in range(len(subject.data)):
        data = subject.data[:position] + subject.data[position + 1 :]
        assert refused_or_the_same(subject, data, genuine) or position not in subject.payload()
