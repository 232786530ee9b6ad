"""The licence: what the vendor said, and nothing that it did not say."""

from __future__ import annotations

from typing import Any

import pytest

from licensing.errors import LicensingError, Malformed, SignatureRefused, WrongKind
from licensing.licence import Licence, open_licence
from tests.licensing.documents import SITE, key, licence_members, receipt_members, signed, trust


def licence(**changes: Any) -> Licence:
    return Licence.from_mapping(licence_members(**changes))


def test_a_licence_of_the_role_licence_is_opened() -> None:
    opened = open_licence(signed("licence", licence_members(), key("licence-2")), trust(epochs={"licence": 4}))
    assert (opened.claims.customer, opened.claims.binding.site) == ("Harbour Hospital", SITE)
    assert (opened.role, opened.key_epoch, opened.signers) == ("licence", 4, (key("licence-2").keyid,))


@pytest.mark.parametrize("customer", ["St. Mary's Hospital, Inc. v1.2", "a.b.c", "...", "eyJh.eyJi.c2ln", "黄埔 St."])
def test_dots_and_other_signs_in_a_licence_are_text_like_any_other(customer: str) -> None:
    data = signed("licence", licence_members(customer=customer), key("licence-1"))
    assert open_licence(data, trust()).claims.customer == customer


@pytest.mark.parametrize("signer", ["root-1", "officer-1", "receipt-1", "site", "stranger"])
def test_nobody_else_can_issue_a_licence(signer: str) -> None:
    with pytest.raises(SignatureRefused):
        open_licence(signed("licence", licence_members(), key(signer)), trust())


def test_a_revoked_key_can_no_longer_issue() -> None:
    data = signed("licence", licence_members(), key("licence-1"))
    with pytest.raises(SignatureRefused):
        open_licence(data, trust(revoked_keys=["licence-1"]))


@pytest.mark.parametrize("kind", ["receipt", "trust", "time", "usage", "release", "config"])
def test_a_licence_under_another_payload_type_is_no_licence(kind: str) -> None:
    with pytest.raises(WrongKind):
        open_licence(signed(kind, licence_members(), key("licence-1")), trust())


def test_another_body_under_the_licence_type_is_no_licence() -> None:
    with pytest.raises(WrongKind):
        open_licence(signed("licence", receipt_members(), key("licence-1")), trust())


def test_the_signature_is_checked_before_the_body_is_read() -> None:
    with pytest.raises(SignatureRefused):
        open_licence(signed("licence", b"\xff not even JSON", key("stranger")), trust())


@pytest.mark.parametrize(
    "changes",
    [
        {"licence": "a"},
        {"licence": ".hidden"},
        {"licence": "../../etc"},
        {"licence": "L-1\n"},
        {"customer": ""},
        {"customer": "a\nb"},
        {"customer": "a" * 129},
        {"edition": "Pro"},
        {"edition": "ultimate"},
        {"edition": None},
        {"models": []},
        {"models": [""]},
        {"models": ["[a-z]"]},
        {"models": ["a b"]},
        {"models": "*"},
        {"caps": {"rpm": 0}},
        {"caps": {"rpm": -1}},
        {"caps": {"rpm": "600"}},
        {"caps": {"rps": 1}},
        {"binding": {"site": SITE, "key": "ab" * 32, "epoch": 0}},
        {"binding": {"site": SITE, "key": "AB" * 32, "epoch": 1}},
        {"binding": {"site": "*", "key": "ab" * 32, "epoch": 1}},
        {"binding": {"site": SITE, "epoch": 1}},
        {"binding": None},
        {"grace_days": -1},
        {"grace_days": 367},
        {"clock_tolerance_seconds": -1},
        {"clock_tolerance_seconds": 604_801},
        {"not_before": "2027-03-01T00:00:00Z"},
        {"not_before": "2028-03-01T00:00:00Z"},
        {"usage": {"report_every_days": 0}},
        {"usage": {"report_every_days": 30, "when_overdue": "ignore"}},
        {"usage": {}},
    ],
)
def test_a_licence_that_makes_no_sense_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        licence(**changes)


def test_absent_caps_are_unlimited_and_null_says_the_same() -> None:
    assert licence(caps={}).caps == licence(caps={"rpm": None}).caps
    assert licence(caps={}).caps.tpm is None


@pytest.mark.parametrize(
    ("patterns", "alias", "allowed"),
    [
        (["*"], "anything/at:all", True),
        (["qwen-*"], "qwen-7b", True),
        (["qwen-*"], "Qwen-7b", False),
        (["qwen-*"], "my-qwen-7b", False),
        (["qwen-*", "llama"], "llama", True),
        (["llama"], "llama\n", False),
        (["llama"], "llama-2", False),
        (["gpt-?"], "gpt-4", True),
        (["gpt-?"], "gpt-40", False),
        (["a.c"], "abc", False),
        (["a+"], "aa", False),
        (["*"], "", True),
    ],
)
def test_the_allow_list_is_a_list_of_globs(patterns: list[str], alias: str, allowed: bool) -> None:
    assert licence(models=patterns).allows_model(alias) is allowed


def test_dates_at_the_end_of_the_calendar_can_be_read() -> None:
    assert licence(expires_at="8999-12-31T23:59:59Z").expires_at.year == 8999
    with pytest.raises(Malformed):
        licence(expires_at="9999-12-31T23:59:59Z")


@pytest.mark.parametrize("member", ["binding", "models", "expires_at", "not_before", "edition", "licence", "customer"])
def test_what_limits_a_licence_cannot_be_left_out(member: str) -> None:
    members = licence_members()
    del members[member]
    with pytest.raises(LicensingError):
        Licence.from_mapping(members)
