"""Trust: who may sign what, and the one way from a version to the next."""

from __future__ import annotations

from typing import Any

import pytest

from licensing.document import PAYLOAD_TYPES
from licensing.errors import AlgorithmUnknown, LicensingError, Malformed, SerialRefused, SignatureRefused, WrongKind
from licensing.trust import ROLES, Trust, advance, pin
from tests.licensing.documents import (
    ROLE_KEYS,
    THRESHOLDS,
    base64_of,
    envelope_of,
    key,
    key_record,
    keys,
    licence_members,
    signed,
    trust,
    trust_members,
)

ROOTS = ROLE_KEYS["root"]
NEW_ROOTS = ("root-7", "root-8", "root-9")
ROTATED = dict(ROLE_KEYS) | {"root": NEW_ROOTS}


def trust_file(*signers: str, **changes: Any) -> bytes:
    return signed("trust", trust_members(**changes), *keys(*signers))


# --- version 1


def test_version_1_is_pinned_when_its_own_root_threshold_signed_it() -> None:
    pinned = pin(trust_file("root-1", "root-3"))
    assert (pinned.claims.serial, pinned.role, pinned.key_epoch) == (1, "root", 1)
    assert set(pinned.signers) == {key("root-1").keyid, key("root-3").keyid}


@pytest.mark.parametrize(
    "signers", [("root-1",), ("root-1", "root-1"), ("root-1", "licence-1"), ("stranger", "root-2")]
)
def test_version_1_needs_its_whole_threshold(signers: tuple[str, ...]) -> None:
    with pytest.raises(SignatureRefused):
        pin(trust_file(*signers))


def test_only_version_1_can_be_pinned() -> None:
    with pytest.raises(SerialRefused):
        pin(trust_file("root-1", "root-2", serial=2))


def test_a_document_of_another_kind_is_not_pinned() -> None:
    with pytest.raises(WrongKind):
        pin(signed("licence", trust_members(), *keys(*ROOTS)))
    with pytest.raises(WrongKind):
        pin(signed("trust", licence_members(), *keys(*ROOTS)))


# --- from one version to the next


def test_the_next_version_is_signed_by_both_thresholds() -> None:
    following = trust_file("root-1", "root-2", "root-7", "root-9", serial=2, role_keys=ROTATED, epochs={"root": 2})
    after = advance(trust(), following)
    assert (after.claims.serial, after.key_epoch, after.claims.key_epoch("licence")) == (2, 2, 1)


@pytest.mark.parametrize(
    "signers",
    [
        pytest.param(("root-7", "root-8", "root-9"), id="only the new roots"),
        pytest.param(("root-1", "root-2", "root-3"), id="only the old roots"),
        pytest.param(("root-1", "root-7", "root-8"), id="too few of the old"),
        pytest.param(("root-1", "root-2", "root-7"), id="too few of the new"),
        pytest.param(("root-1", "root-1", "root-7", "root-8"), id="an old one twice"),
    ],
)
def test_a_rotation_without_both_thresholds_is_refused(signers: tuple[str, ...]) -> None:
    with pytest.raises(SignatureRefused):
        advance(trust(), trust_file(*signers, serial=2, role_keys=ROTATED))


@pytest.mark.parametrize("serial", [1, 2, 3, 5, 6, 99_999])
def test_versions_rise_by_exactly_one(serial: int) -> None:
    with pytest.raises(SerialRefused):
        advance(trust(serial=3), trust_file("root-1", "root-2", serial=serial))


def test_a_key_that_the_current_version_revoked_cannot_make_the_next() -> None:
    current = trust(revoked_keys=["root-2"])
    with pytest.raises(SignatureRefused):
        advance(current, trust_file("root-1", "root-2", serial=2, revoked_keys=["root-2"]))
    successor = trust_file("root-1", "root-3", serial=2, revoked_keys=["root-2"])
    assert advance(current, successor).claims.serial == 2


def test_a_key_that_the_next_version_revokes_cannot_vouch_for_it() -> None:
    with pytest.raises(SignatureRefused):
        advance(trust(), trust_file("root-1", "root-2", serial=2, revoked_keys=["root-2"]))


def test_a_higher_threshold_holds_from_the_version_that_states_it() -> None:
    with pytest.raises(SignatureRefused):
        advance(trust(), trust_file("root-1", "root-2", serial=2, thresholds=dict(THRESHOLDS) | {"root": 3}))


# --- roles


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("signing", ROLES)
def test_a_role_is_signed_by_its_own_keys_alone(role: Any, signing: str) -> None:
    envelope = envelope_of("licence", licence_members(), *keys(*ROLE_KEYS[signing]))
    if role == signing:
        trust().verify(envelope, role=role, payload_type=PAYLOAD_TYPES["licence"])
        return
    with pytest.raises(SignatureRefused):
        trust().verify(envelope, role=role, payload_type=PAYLOAD_TYPES["licence"])


@pytest.mark.parametrize("asked", sorted(set(PAYLOAD_TYPES) - {"licence"}))
def test_the_right_keys_over_the_wrong_kind_are_refused(asked: str) -> None:
    envelope = envelope_of("licence", licence_members(), key("licence-1"))
    with pytest.raises(WrongKind):
        trust().verify(envelope, role="licence", payload_type=PAYLOAD_TYPES[asked])


def test_a_role_that_nobody_has_verifies_nothing() -> None:
    bare = trust(role_keys={"root": ROOTS})
    with pytest.raises(SignatureRefused, match="nobody"):
        bare.verify(
            envelope_of("licence", licence_members(), key("licence-1")),
            role="licence",
            payload_type=PAYLOAD_TYPES["licence"],
        )


@pytest.mark.parametrize(("signers", "good"), [(("officer-1", "officer-2"), False), (("officer-2", "officer-3"), True)])
def test_a_revoked_key_does_not_count_towards_a_threshold(signers: tuple[str, ...], good: bool) -> None:
    envelope = envelope_of("config", b"kind: config\n", *keys(*signers))
    revoking = trust(revoked_keys=["officer-1"])
    if good:
        revoking.verify(envelope, role="config", payload_type=PAYLOAD_TYPES["config"])
        return
    with pytest.raises(SignatureRefused):
        revoking.verify(envelope, role="config", payload_type=PAYLOAD_TYPES["config"])


# --- what holds together


def faulty(**changes: Any) -> dict[str, Any]:
    return trust_members() | changes


def roles_with(role: str, **changes: Any) -> dict[str, Any]:
    roles = dict(trust_members()["roles"])
    return {"roles": roles | {role: roles[role] | changes}}


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        (faulty(roles={}), "no root role"),
        (faulty(**roles_with("licence", keys=[key("stranger").keyid])), "not in the document"),
        (faulty(**roles_with("licence", keys=[key("licence-1").keyid] * 2)), "twice"),
        (faulty(**roles_with("licence", keys=[])), "at least 1"),
        (faulty(**roles_with("licence", threshold=0)), "greater than or equal to 1"),
        (faulty(**roles_with("licence", threshold=3)), "never reach"),
        (faulty(**roles_with("licence", epoch=0)), "greater than or equal to 1"),
        (faulty(revoked={"keys": [key("licence-1").keyid, key("licence-2").keyid]}), "never reach"),
        (faulty(revoked={"keys": ["zz"]}), "pattern"),
        (faulty(keys={key("b").keyid: key_record(key("a"))}), "not its own"),
        (faulty(keys={key("a").keyid.upper(): key_record(key("a"))}), "pattern"),
        (faulty(serial=0), "greater than or equal to 1"),
        (faulty(serial="1"), "integer"),
        (faulty(serial=True), "integer"),
        (faulty(expires=1), "Extra"),
        (faulty(vendor=""), "at least 1"),
        (faulty(vendor="A\u202eO"), "pattern"),
        (faulty(**{"roles": trust_members()["roles"] | {"admin": trust_members()["roles"]["root"]}}), "admin"),
    ],
)
def test_a_trust_document_that_does_not_hold_together_is_malformed(members: dict[str, Any], fault: str) -> None:
    with pytest.raises(Malformed, match=fault):
        Trust.from_mapping(members)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_the_wrong_size_is_refused(size: int) -> None:
    record = {"algorithm": "ed25519", "public": base64_of(bytes(size))}
    with pytest.raises(LicensingError):
        Trust.from_mapping(faulty(keys=trust_members()["keys"] | {"00" * 32: record}))


def test_an_algorithm_that_this_release_does_not_know_fails_closed() -> None:
    record = {"algorithm": "sm9", "public": base64_of(bytes(64))}
    with pytest.raises(AlgorithmUnknown):
        Trust.from_mapping(faulty(keys=trust_members()["keys"] | {"00" * 32: record}))


def test_trust_is_written_and_read_back_unchanged() -> None:
    before = trust(revoked_licences=["L-1"], epochs={"licence": 3})
    assert pin(signed("trust", before.to_bytes(), *keys(*ROOTS))).claims == before
