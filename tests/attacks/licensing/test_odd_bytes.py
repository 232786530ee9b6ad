"""Odd JSON and odd base64, put where it would matter: around a genuine signature, and under one.

Each row says what it tries. All of it is `document_malformed`, before or after the signature is looked at, unless the
row names another code.
"""

from __future__ import annotations

import base64
import json

import pytest

from licensing.document import PAYLOAD_TYPES
from licensing.errors import LicensingError
from licensing.licence import open_licence
from licensing.site_request import open_site_request
from licensing.strict_json import canonical
from tests.licensing.documents import key, licence_members, signed, site_request_members, trust

TRUST = trust()
FILE = signed("licence", licence_members(), key("licence-1"))
DOCUMENT = json.loads(FILE)
PAYLOAD, SIG = DOCUMENT["payload"], DOCUMENT["signatures"][0]["sig"]
BODY = canonical(licence_members())
REQUEST = canonical(site_request_members())
DEEP = b"[" * 100_000 + b"]" * 100_000


def around(old: str | bytes, new: str | bytes) -> bytes:
    """The genuine file with one thing exchanged in its unsigned frame."""
    before, after = (each.encode() if isinstance(each, str) else each for each in (old, new))
    assert before in FILE
    return FILE.replace(before, after, 1)


ENVELOPES = {
    "a second payload, which a lenient reader would take instead": around(
        '"payload":', f'"payload":"{base64.b64encode(b"{}").decode()}","payload":'
    ),
    "a second payload type": around('"payloadType":', '"payloadType":"x","payloadType":'),
    "the same member spelt with an escape": around('"payload":', '"\\u0070ayload":"","payload":'),
    "a second sig in one signature": around('"sig":', '"sig":"","sig":'),
    "NaN beside the payload": around('"payload":', '"x":NaN,"payload":'),
    "Infinity": around('"payload":', '"x":-Infinity,"payload":'),
    "1e400, which becomes infinite": around('"payload":', '"x":1e400,"payload":'),
    "a huge integer, to cost time": around('"payload":', '"x":' + "9" * 200_000 + ',"payload":'),
    "deep nesting, to exhaust the stack": around(b'"payload":', b'"x":' + DEEP + b',"payload":'),
    "a lone surrogate in a key id": around('"keyid":"', '"keyid":"\\ud800'),
    "a lone surrogate in the payload type": around('"payloadType":"', '"payloadType":"\\udfff'),
    "a surrogate as bytes": around(b'"keyid":"', b'"keyid":"\xed\xa0\x80'),
    "an overlong slash": around(b'"keyid":"', b'"keyid":"\xc0\xaf'),
    "a byte order mark": b"\xef\xbb\xbf" + FILE,
    "UTF-16": FILE.decode().encode("utf-16"),
    "a second document behind": FILE + FILE,
    "a NUL behind": FILE + b"\x00",
    "trailing bytes": FILE + b"x",
    "a comma too many": around("]}", "],}"),
    "a comment": around("{", "{/* */"),
    "a list around it": b"[" + FILE + b"]",
    "payload without padding": around(PAYLOAD, PAYLOAD.rstrip("=") + "A"),
    "payload with a line break": around(PAYLOAD, PAYLOAD[:76] + "\\n" + PAYLOAD[76:]),
    "payload with a space": around(PAYLOAD, PAYLOAD[:4] + " " + PAYLOAD[4:]),
    "payload with padding inside": around(PAYLOAD, "eyI=" + PAYLOAD),
    "payload in both alphabets": around(PAYLOAD, PAYLOAD[:-4] + "-/AA"),
    "payload with letters that look alike": around(PAYLOAD, "е" + PAYLOAD[1:]),
    "sig without padding": around(SIG, SIG.rstrip("=")),
    "sig with stray trailing bits": around(SIG, SIG[:-3] + chr(ord(SIG[-3]) + 1) + "=="),
    "sig in hexadecimal": around(SIG, base64.b64decode(SIG).hex() + "="),
}


@pytest.mark.parametrize("tries", ENVELOPES)
def test_an_odd_envelope_is_malformed(tries: str) -> None:
    with pytest.raises(LicensingError) as caught:
        open_licence(ENVELOPES[tries], TRUST)
    assert caught.value.code == "document_malformed"


BODIES = {
    "an expiry twice, the later one last": BODY.replace(
        b'"expires_at":', b'"expires_at":"2099-01-01T00:00:00Z","expires_at":'
    ),
    "a cap that is not a number": BODY.replace(b'"rpm":3000', b'"rpm":NaN'),
    "a cap beyond all numbers": BODY.replace(b'"rpm":3000', b'"rpm":1e400'),
    "a cap of 64 bits and one": BODY.replace(b'"rpm":3000', b'"rpm":18446744073709551616'),
    "a cap of many digits": BODY.replace(b'"rpm":3000', b'"rpm":' + b"9" * 100_000),
    "a cap with a fraction": BODY.replace(b'"rpm":3000', b'"rpm":3000.0'),
    "a cap as text": BODY.replace(b'"rpm":3000', b'"rpm":"3000"'),
    "a cap that is true": BODY.replace(b'"rpm":3000', b'"rpm":true'),
    "deep nesting in a member": BODY.replace(b'"rpm":3000', b'"rpm":' + DEEP),
    "nesting just below the reader's own limit": BODY.replace(b'"rpm":3000', b'"rpm":' + b"[" * 900 + b"]" * 900),
    "a lone surrogate in a name": BODY.replace(b'"customer":"', b'"customer":"\\ud800'),
    "a NUL in a name": BODY.replace(b'"customer":"', b'"customer":"\\u0000'),
    "a turned reading direction in a name": BODY.replace(b'"customer":"', b'"customer":"\\u202e'),
    "a byte order mark before the body": b"\xef\xbb\xbf" + BODY,
    "bytes behind the body": BODY + b"x",
    "a body that is a list": b"[" + BODY + b"]",
    "a body of nothing": b"",
    "a member that the release does not know": BODY.replace(b'"kind":', b'"unlimited":true,"kind":'),
    "a prototype's member": BODY.replace(b'"kind":', b'"__class__":{},"kind":'),
}


@pytest.mark.parametrize("tries", BODIES)
def test_an_odd_body_is_malformed_even_under_a_genuine_signature(tries: str) -> None:
    assert BODIES[tries] != BODY
    with pytest.raises(LicensingError) as caught:
        open_licence(signed("licence", BODIES[tries], key("licence-1")), TRUST)
    assert caught.value.code == "document_malformed"


KINDS = {
    "a kind that is a list": b'"kind":["site-request"]',
    "a kind in other letters": b'"kind":"Site-Request"',
    "a kind with a NUL": b'"kind":"site-request\\u0000"',
    "a deep kind": b'"kind":' + b"[" * 900 + b"]" * 900,
    "no kind": b'"kinds":"site-request"',
    "the kind of another": b'"kind":"licence"',
}


@pytest.mark.parametrize("tries", KINDS)
def test_a_body_that_lies_about_its_kind_is_of_the_wrong_kind(tries: str) -> None:
    body = REQUEST.replace(b'"kind":"site-request"', KINDS[tries])
    assert body != REQUEST
    with pytest.raises(LicensingError) as caught:
        open_site_request(signed("site-request", body, key("site")))
    assert caught.value.code == "document_kind"


def test_the_genuine_files_are_accepted() -> None:
    open_licence(FILE, TRUST)
    open_licence(signed("licence", BODY, key("licence-1")), TRUST)
    open_site_request(signed("site-request", REQUEST, key("site")))
    url_safe = PAYLOAD.replace("+", "-").replace("/", "_")
    open_licence(around(PAYLOAD, url_safe), TRUST)
    assert PAYLOAD_TYPES["licence"] == DOCUMENT["payloadType"]
