"""The corpus of attacks on documents: what each tries, and the code of the refusal that it must meet.

An attack is a row: a name, a line on what it tries, the attempt, and the code. The attempt does what a site or a vendor
would do with the file; whatever it lets through is a hole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from licensing.binding import SiteFacts
from licensing.clock import Look, TimeFloor, observe, observe_boot, witness
from licensing.document import PAYLOAD_TYPES
from licensing.envelope import BEGIN, Envelope, Signature, parse, to_clear, to_json
from licensing.errors import LicensingError
from licensing.licence import open_licence
from licensing.ratchet import Floor, arrive
from licensing.receipt import open_receipt
from licensing.site_request import open_site_request
from licensing.standing import judge
from licensing.trust import Trust, advance, pin
from licensing.usage import open_usage
from tests.licensing.documents import (
    CONFIG_TEXT,
    ROLE_KEYS,
    SITE,
    THRESHOLDS,
    at,
    clear_signed,
    envelope_of,
    key,
    keys,
    licence_members,
    receipt_members,
    signed,
    site_request_members,
    trust,
    trust_members,
    usage_members,
)

TRUST = trust()
THIEF = key("thief")
OFFICERS = keys("officer-1", "officer-2")


@dataclass(frozen=True)
class Attack:
    name: str
    tries: str
    attempt: Callable[[], object]
    code: str


def trust_file(*signers: str, **changes: Any) -> bytes:
    return signed("trust", trust_members(**changes), *keys(*signers))


def import_licence(data: bytes, *, into: Trust = TRUST, floor: Floor | None = None) -> object:
    """As a site does it: open, then hold against the floor."""
    opened = open_licence(data, into)
    return arrive(
        floor, role=opened.role, key_epoch=opened.key_epoch, serial=opened.claims.serial, digest=opened.digest
    )


def open_config(envelope: Envelope, by: Trust = TRUST) -> object:
    return by.verify(parse(to_clear(envelope)), role="config", payload_type=PAYLOAD_TYPES["config"])


def licence_file(**changes: Any) -> bytes:
    return signed("licence", licence_members(**changes), key("licence-1"))


def floor_at(serial: int, key_epoch: int = 1) -> Floor:
    return Floor("licence", key_epoch, serial, "sha256:" + "ab" * 32)


def relabelled(data: bytes, **changes: Any) -> bytes:
    return json.dumps(json.loads(data) | changes).encode()


def pooled(kind: str, members: dict[str, Any], one: str, other_members: dict[str, Any], other: str) -> Envelope:
    """The first document, with the second one's signature beside its own."""
    first = envelope_of(kind, members, key(one))
    second = envelope_of(kind, other_members, key(other))
    return Envelope(first.payload_type, first.body, first.signatures + second.signatures)


def config_of(*signatures: Signature) -> Envelope:
    return Envelope(PAYLOAD_TYPES["config"], CONFIG_TEXT, signatures)


GENUINE_CONFIG = envelope_of("config", CONFIG_TEXT, *OFFICERS)
FIRST, SECOND = GENUINE_CONFIG.signatures
THEFT = envelope_of("config", CONFIG_TEXT, THIEF).signatures[0]
NEW_ROOTS = dict(ROLE_KEYS) | {"root": ("root-7", "root-8", "root-9")}
THIEVES_ROOT = dict(ROLE_KEYS) | {"root": ("thief",)}
ONE_ROOT = dict(THRESHOLDS) | {"root": 1}

ATTACKS = [
    # rotation of trust
    Attack(
        "a trust of one's own",
        "pinning a trust document that a single root key of the real one signed",
        lambda: pin(trust_file("root-1")),
        "signature_refused",
    ),
    Attack(
        "takeover by rotation",
        "version 2 with the thief's root key, signed by that key alone",
        lambda: advance(TRUST, trust_file("thief", serial=2, role_keys=THIEVES_ROOT, thresholds=ONE_ROOT)),
        "signature_refused",
    ),
    Attack(
        "takeover with one stolen root key",
        "version 2 with a threshold of one, signed by one stolen key of version 1",
        lambda: advance(TRUST, trust_file("root-1", serial=2, thresholds=ONE_ROOT)),
        "signature_refused",
    ),
    Attack(
        "rotation that the successor does not confirm",
        "the old roots name new ones who never signed",
        lambda: advance(TRUST, trust_file("root-1", "root-2", serial=2, role_keys=NEW_ROOTS)),
        "signature_refused",
    ),
    Attack(
        "one root key under two names",
        "meeting a threshold of two by signing twice with one key, under two key ids",
        lambda: pin(
            to_json(
                Envelope(
                    PAYLOAD_TYPES["trust"],
                    envelope_of("trust", trust_members(), key("root-1")).body,
                    tuple(
                        Signature(keyid, envelope_of("trust", trust_members(), key("root-1")).signatures[0].sig)
                        for keyid in (key("root-1").keyid, key("root-2").keyid)
                    ),
                )
            )
        ),
        "signature_refused",
    ),
    Attack(
        "duplicate key in a role",
        "a role that lists one key twice, so that one person makes two signatures",
        lambda: pin(trust_file("root-1", "root-2", role_keys=dict(ROLE_KEYS) | {"config": ("officer-1", "officer-1")})),
        "document_malformed",
    ),
    Attack(
        "a key under another's id",
        "listing the thief's key under the id of a licence key",
        lambda: pin(
            signed(
                "trust",
                trust_members()
                | {
                    "keys": trust_members()["keys"]
                    | {key("licence-1").keyid: trust_members(role_keys={"root": ("thief",)})["keys"][THIEF.keyid]}
                },
                *keys("root-1", "root-2"),
            )
        ),
        "document_malformed",
    ),
    Attack(
        "downgrade to an unknown scheme",
        "a key record that asks for the algorithm `none`",
        lambda: pin(
            signed(
                "trust",
                trust_members() | {"keys": {THIEF.keyid: {"algorithm": "none", "public": "AAAA"}}},
                *keys("root-1", "root-2"),
            )
        ),
        "algorithm_unknown",
    ),
    # rollback, freeze, fast-forward
    Attack(
        "rollback of trust",
        "bringing back version 1 after version 2, to revive a revoked key",
        lambda: advance(trust(serial=2), trust_file("root-1", "root-2", serial=1)),
        "serial_refused",
    ),
    Attack(
        "freeze of trust",
        "showing the version in force again and again instead of the next",
        lambda: advance(trust(serial=2), trust_file("root-1", "root-2", serial=2)),
        "serial_refused",
    ),
    Attack(
        "fast-forward of trust",
        "a version far ahead, so that no honest one can ever follow",
        lambda: advance(TRUST, trust_file("root-1", "root-2", serial=99_999)),
        "serial_refused",
    ),
    Attack(
        "pinning in the middle",
        "pinning a later version, past a revocation",
        lambda: pin(trust_file("root-1", "root-2", serial=7)),
        "serial_refused",
    ),
    Attack(
        "rollback of a licence",
        "importing last year's licence, which had more seats",
        lambda: import_licence(licence_file(serial=6), floor=floor_at(7)),
        "serial_refused",
    ),
    Attack(
        "two licences with one serial",
        "a second licence under a serial that was already accepted",
        lambda: import_licence(licence_file(caps={}), floor=floor_at(7)),
        "serial_conflict",
    ),
    Attack(
        "return of a retired key",
        "a licence of the old key epoch with a huge serial, after the role's keys were rotated",
        lambda: import_licence(licence_file(serial=99_999), floor=floor_at(1, key_epoch=2)),
        "serial_refused",
    ),
    Attack(
        "use of a revoked key",
        "a licence signed by a key that the trust in force revokes",
        lambda: import_licence(licence_file(), into=trust(revoked_keys=["licence-1"])),
        "signature_refused",
    ),
    # wrong role, wrong kind
    Attack(
        "an officer issues a licence",
        "the customer's own config keys sign a licence",
        lambda: import_licence(signed("licence", licence_members(), *OFFICERS)),
        "signature_refused",
    ),
    Attack(
        "the site acknowledges itself",
        "a receipt signed with the site's own key",
        lambda: open_receipt(signed("receipt", receipt_members(), key("site")), TRUST, site=SITE, epoch=1),
        "signature_refused",
    ),
    Attack(
        "a receipt of the neighbour",
        "another site's genuine receipt, to cover one's own missing days",
        lambda: open_receipt(
            signed("receipt", receipt_members(site="site-0002"), key("receipt-1")), TRUST, site=SITE, epoch=1
        ),
        "document_audience",
    ),
    Attack(
        "a receipt from before the state was lost",
        "a genuine receipt of an earlier epoch",
        lambda: open_receipt(signed("receipt", receipt_members(epoch=1), key("receipt-1")), TRUST, site=SITE, epoch=2),
        "document_audience",
    ),
    Attack(
        "a licence body as a receipt",
        "the right key over the right type, with a body of another kind",
        lambda: open_receipt(signed("receipt", licence_members(), key("receipt-1")), TRUST, site=SITE, epoch=1),
        "document_kind",
    ),
    Attack(
        "a receipt as a licence",
        "a document of one kind given where another is expected, by keys that hold both roles",
        lambda: import_licence(
            signed("receipt", licence_members(), key("licence-1")),
            into=trust(role_keys=dict(ROLE_KEYS) | {"receipt": ("licence-1",)}),
        ),
        "document_kind",
    ),
    Attack(
        "relabelled payload type",
        "changing the envelope's type so that a usage file passes as a site request",
        lambda: open_site_request(
            relabelled(signed("usage", site_request_members(), key("site")), payloadType=PAYLOAD_TYPES["site-request"])
        ),
        "signature_refused",
    ),
    Attack(
        "a future schema",
        "a body that asks to be read by rules that this release does not have",
        lambda: import_licence(licence_file(schema=2)),
        "document_kind",
    ),
    Attack(
        "somebody else's usage",
        "a usage file for this site, signed by another site's key",
        lambda: open_usage(signed("usage", usage_members(), key("other-site")), key("site").public_key),
        "signature_refused",
    ),
    Attack(
        "presenting another's key",
        "a site request with the public key of a site that the thief does not hold",
        lambda: open_site_request(signed("site-request", site_request_members(), THIEF)),
        "signature_refused",
    ),
    # duplicate signature, key-id confusion, mix and match
    Attack(
        "duplicate signature",
        "one officer's signature twice, to pass four eyes",
        lambda: open_config(config_of(FIRST, FIRST)),
        "signature_refused",
    ),
    Attack(
        "duplicate signature under the other's id",
        "one officer's signature twice, the second one labelled as the colleague's",
        lambda: open_config(config_of(FIRST, Signature(SECOND.keyid, FIRST.sig))),
        "signature_refused",
    ),
    Attack(
        "key-id confusion",
        "the thief's signature under an officer's key id",
        lambda: open_config(config_of(FIRST, Signature(SECOND.keyid, THEFT.sig))),
        "signature_refused",
    ),
    Attack(
        "crowding out",
        "so many empty signatures that the genuine ones do not come up",
        lambda: open_config(config_of(*[Signature("", b"")] * 40, FIRST, SECOND)),
        "document_malformed",
    ),
    Attack(
        "mix and match of signatures",
        "two officers each signed another version of the config; their signatures are pooled",
        lambda: TRUST.verify(
            pooled("config", {"serial": 1}, "officer-1", {"serial": 2}, "officer-2"),
            role="config",
            payload_type=PAYLOAD_TYPES["config"],
        ),
        "signature_refused",
    ),
    Attack(
        "mix and match of bodies",
        "the signatures of one config under the text of another",
        lambda: open_config(Envelope(GENUINE_CONFIG.payload_type, CONFIG_TEXT + b"debug: true\n", (FIRST, SECOND))),
        "signature_refused",
    ),
    Attack(
        "a line before the block",
        "a line slipped in between the signed text and its signature block",
        lambda: TRUST.verify(
            parse(to_clear(GENUINE_CONFIG).replace(BEGIN, b"debug: true\n" + BEGIN)),
            role="config",
            payload_type=PAYLOAD_TYPES["config"],
        ),
        "signature_refused",
    ),
    Attack(
        "a second block",
        "the thief's text after the genuine block, with the genuine block copied behind it",
        lambda: TRUST.verify(
            parse(to_clear(GENUINE_CONFIG) + b"debug: true\n" + to_clear(GENUINE_CONFIG).removeprefix(CONFIG_TEXT)),
            role="config",
            payload_type=PAYLOAD_TYPES["config"],
        ),
        "signature_refused",
    ),
    Attack(
        "text after the block",
        "a line behind END, which an editor shows as part of the file",
        lambda: parse(clear_signed(CONFIG_TEXT, *OFFICERS) + b"debug: true\n"),
        "document_malformed",
    ),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_meets_its_refusal(attack: Attack) -> None:
    with pytest.raises(LicensingError) as caught:
        attack.attempt()
    assert caught.value.code == attack.code, attack.tries
    assert caught.value.remedy


def test_every_attack_has_a_name_of_its_own_and_says_what_it_tries() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.tries for attack in ATTACKS)


# --- the same documents without the attack, so that a refusal above is for the reason stated


def test_the_honest_counterparts_are_accepted() -> None:
    pin(trust_file("root-1", "root-2"))
    advance(
        TRUST, trust_file("root-1", "root-2", "root-7", "root-8", serial=2, role_keys=NEW_ROOTS, epochs={"root": 2})
    )
    import_licence(licence_file(), floor=floor_at(6))
    open_config(GENUINE_CONFIG)
    open_receipt(signed("receipt", receipt_members(), key("receipt-1")), TRUST, site=SITE, epoch=1)
    open_site_request(signed("site-request", site_request_members(), key("site")))
    open_usage(signed("usage", usage_members(), key("site")), key("site").public_key)


def test_a_leaked_key_that_signed_a_huge_serial_does_not_lock_the_repair_out() -> None:
    """Fast-forward: the floor belongs to the key epoch, so the first licence of the new keys comes in."""
    poisoned = floor_at(99_999)
    repaired = trust(role_keys=dict(ROLE_KEYS) | {"licence": ("licence-7",)}, epochs={"licence": 2})
    import_licence(signed("licence", licence_members(serial=8), key("licence-7")), into=repaired, floor=poisoned)


# --- attacks on time


def rung_code(now: str, floor: TimeFloor) -> tuple[str, bool]:
    standing = judge(
        licence=open_licence(licence_file(), TRUST),
        trust=TRUST,
        now=at(now),
        floor=floor,
        site=SiteFacts(SITE, key("site").keyid, 1),
        reported_until=at(now),
    )
    return standing.code, standing.terms.serves


def test_turning_the_clock_back_to_before_the_expiry() -> None:
    """Freeze: a licence that has run out is kept alive by setting the clock to a day on which it was valid."""
    floor = witness(TimeFloor(at("2026-01-01"), "this release"), at("2027-06-01"), "a receipt")
    assert rung_code("2026-06-01", floor) == ("clock_untrusted", False)


def test_turning_the_clock_far_ahead_to_spoil_the_floor() -> None:
    """Fast-forward of time: an hour at 2099 must not leave a site that is locked until 2099."""
    floor = observe_boot(TimeFloor(at("2026-05-01"), "a receipt"), at("2099-01-01"))
    hour = Look(at("2099-01-01") + timedelta(hours=1), 3600.0)
    floor = observe(floor, Look(at("2099-01-01"), 0.0), hour)
    assert rung_code("2026-05-04", floor) == ("licence_valid", True)


def test_a_revoked_licence_with_a_genuine_signature() -> None:
    """Replaying the licence file after its id was withdrawn, on a site whose trust says so."""
    standing = judge(
        licence=open_licence(licence_file(), TRUST),
        trust=trust(serial=2, revoked_licences=["L-2026-0007"]),
        now=at("2026-05-01"),
        floor=TimeFloor(at("2026-05-01"), "a receipt"),
        site=SiteFacts(SITE, key("site").keyid, 1),
        reported_until=at("2026-05-01"),
    )
    assert (standing.code, standing.terms.serves) == ("licence_revoked", False)
