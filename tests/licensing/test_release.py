"""The release: which files are a version, what it may follow, and that nobody else can say so."""

from __future__ import annotations

from typing import Any

import pytest

from licensing.errors import LicensingError, Malformed, SerialRefused, SignatureRefused, WrongAudience, WrongKind
from licensing.release import Release, open_release, serial_of
from tests.licensing.documents import key, keys, receipt_members, release_members, signed, trust

FILE, DIGEST = "ao-appliance-0.2.1-linux-x86_64.run", "sha256:" + "ab" * 32


def release(**changes: Any) -> Release:
    return Release.from_mapping(release_members(**changes))


def test_a_release_needs_the_roles_threshold() -> None:
    opened = open_release(signed("release", release_members(), *keys("release-1", "release-2")), trust())
    assert (opened.claims.version, opened.role, opened.key_epoch) == ("0.2.1", "release", 1)
    assert opened.claims.artefact(FILE, size=10, digest=DIGEST).arch == "x86_64"


@pytest.mark.parametrize("signers", [("release-1",), ("release-1", "release-1"), ("release-1", "root-1"), ("thief",)])
def test_too_few_or_other_signers_make_no_release(signers: tuple[str, ...]) -> None:
    with pytest.raises(SignatureRefused):
        open_release(signed("release", release_members(), *keys(*signers)), trust())


def test_another_document_signed_by_the_role_is_no_release() -> None:
    with pytest.raises(WrongKind):
        open_release(signed("receipt", receipt_members(), *keys("release-1", "release-2")), trust())


@pytest.mark.parametrize(
    ("file", "size", "digest", "refusal"),
    [
        ("ao-appliance-0.2.1-linux-riscv64.run", 10, DIGEST, WrongAudience),
        (FILE.upper(), 10, DIGEST, WrongAudience),
        (FILE, 11, DIGEST, Malformed),
        (FILE, 10, "sha256:" + "ac" * 32, Malformed),
    ],
)
def test_a_file_is_one_of_the_release_by_name_size_and_digest_together(
    file: str, size: int, digest: str, refusal: type[LicensingError]
) -> None:
    with pytest.raises(refusal) as refused:
        release().artefact(file, size=size, digest=digest)
    assert refused.value.where == file


@pytest.mark.parametrize(("version", "state"), [("0.1.0", 6), ("0.2.0", 7), ("0.2.1", 7), ("0.9.0", 7)])
def test_it_follows_what_it_can_take_over(version: str, state: int) -> None:
    release().require_follows(version, state=state)


@pytest.mark.parametrize(("version", "state", "told"), [("0.0.9", 5, "from 0.1.0 on"), ("0.1.0", 8, "schemas up to 7")])
def test_it_does_not_follow_what_is_too_old_nor_a_state_that_is_newer(version: str, state: int, told: str) -> None:
    with pytest.raises(SerialRefused, match=told):
        release().require_follows(version, state=state)


@pytest.mark.parametrize(
    ("older", "newer"), [("0.1.0", "0.1.1"), ("0.1.999", "0.2.0"), ("0.999.999", "1.0.0"), ("1.9.0", "1.10.0")]
)
def test_serials_rise_as_versions_do(older: str, newer: str) -> None:
    assert serial_of(older) < serial_of(newer)


@pytest.mark.parametrize(
    "changes",
    [
        {"serial": 2002},
        {"version": "0.2"},
        {"version": "0.2.01"},
        {"version": "0.2.1-rc1"},
        {"version": "0.2.1000"},
        {"version": "0.2.1\n"},
        {"upgrades_from": "0.3.0"},
        {"upgrades_from": "any"},
        {"schemas": {"state": 0, "documents": 1}},
        {"schemas": {"state": 7}},
        {"artefacts": []},
        {"artefacts": [release_members()["artefacts"][0]] * 2},
        {"artefacts": [release_members()["artefacts"][0] | {"file": "../x"}]},
        {"artefacts": [release_members()["artefacts"][0] | {"file": "-rf"}]},
        {"artefacts": [release_members()["artefacts"][0] | {"arch": "riscv64"}]},
        {"artefacts": [release_members()["artefacts"][0] | {"size": 0}]},
        {"artefacts": [release_members()["artefacts"][0] | {"sha256": "ab" * 32}]},
        {"site": "site-0001"},
    ],
)
def test_a_release_of_another_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        release(**changes)


def test_one_byte_more_in_the_file_and_nobody_has_signed_it() -> None:
    data = signed("release", release_members(), key("release-1"), key("release-2"))
    assert open_release(data, trust()).claims.version == "0.2.1"
    with pytest.raises(LicensingError):
        open_release(data.replace(b'"payload"', b'"payloae"'), trust())
