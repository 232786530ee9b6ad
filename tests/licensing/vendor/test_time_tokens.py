"""The vendor's word for the hour: for one site, in answer to its own challenge, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from licensing.errors import Refusal, SignatureRefused, WrongAudience
from licensing.time_token import open_time_token
from licensing.trust import KeyRecord
from licensing.vendor.errors import ChallengeRefused, SiteChanged, SiteUnknown
from licensing.vendor.operations import Delivered
from licensing.vendor.operations_time import issue_time_token
from media.errors import AlreadyThere, MediumFull
from tests.licensing.vendor.simulated_site import SimulatedSite, SiteKey
from tests.licensing.vendor.vendors_desk import NOW, VendorsDesk
from tests.licensing.vendor.vendors_shell import Shell

CHALLENGE, OTHER = "a" * 32, "b" * 32


def issue(desk: VendorsDesk, request: bytes, out: str = "time.json") -> Delivered:
    file = desk.file(f"asks-{out}", request)
    return issue_time_token(desk.home, file, desk.folder / out, at=None, unlock=desk.unlock, now=desk.now)


def test_a_token_answers_the_challenge_of_an_enrolled_site(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    data = issue(desk, licensed.request(challenge=CHALLENGE)).file.read_bytes()
    token = open_time_token(data, desk.trust, site="plant-7", epoch=1, challenge=CHALLENGE).claims
    assert (token.issued_at, token.serial) == (NOW, 1)
    for site, epoch, challenge in (("plant-8", 1, CHALLENGE), ("plant-7", 2, CHALLENGE), ("plant-7", 1, OTHER)):
        with pytest.raises(WrongAudience):
            open_time_token(data, desk.trust, site=site, epoch=epoch, challenge=challenge)
    second = issue(desk, licensed.request(challenge=OTHER), "second.json")
    assert second.serial == 2


def test_a_challenge_is_answered_once(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    issue(desk, licensed.request(challenge=CHALLENGE))
    before = desk.contents()
    for request in (licensed.request(challenge=CHALLENGE), licensed.request(challenge=CHALLENGE, serial=2)):
        with pytest.raises(ChallengeRefused, match="answered before"):
            issue(desk, request, "again.json")
    assert desk.contents() == before
    assert not (desk.folder / "again.json").exists()


@pytest.mark.parametrize(
    ("request_of", "expected"),
    [
        (lambda site: site.request(), ChallengeRefused),
        (lambda site: SimulatedSite(key=SiteKey("other")).request(challenge=CHALLENGE), SiteChanged),
        (lambda site: SimulatedSite(epoch=2).request(challenge=CHALLENGE), SiteChanged),
        (lambda site: SimulatedSite(site="plant-9").request(challenge=CHALLENGE), SiteUnknown),
        (
            lambda site: site.request(
                challenge=CHALLENGE, key=KeyRecord(algorithm="ed25519", public=SiteKey("x").public_key.public)
            ),
            SignatureRefused,
        ),
    ],
    ids=["no challenge", "another key", "another epoch", "unknown", "not its own key"],
)
def test_other_requests_are_refused_and_leave_no_trace(
    desk: VendorsDesk,
    licensed: SimulatedSite,
    request_of: Callable[[SimulatedSite], bytes],
    expected: type[Refusal],
) -> None:
    before = desk.contents()
    with pytest.raises(expected) as refused:
        issue(desk, request_of(licensed))
    assert desk.contents() == before
    assert refused.value.exit_code in (96, 11)


def test_a_key_that_the_site_has_replaced_gets_no_token(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.issue(SimulatedSite(key=SiteKey("new"), epoch=2), "second", re_enrol=True)
    with pytest.raises(SiteChanged):
        issue(desk, licensed.request(challenge=CHALLENGE))


def test_a_token_that_was_lost_on_its_way_out_is_written_again_the_same(
    desk: VendorsDesk, licensed: SimulatedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise MediumFull("No room is left.", where=str(path))

    request = licensed.request(challenge=CHALLENGE)
    with monkeypatch.context() as patched:
        patched.setattr("licensing.vendor.operations.write_document", full)
        with pytest.raises(MediumFull):
            issue(desk, request)
    recorded = desk.contents()["time_tokens"][0][6]
    desk.now += timedelta(hours=3)
    assert issue(desk, request).file.read_bytes() == recorded
    with pytest.raises(ChallengeRefused):
        issue(desk, request, "again.json")


def test_a_taken_name_uses_no_challenge_up(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    desk.file("time.json", b"mine")
    before = desk.contents()
    with pytest.raises(AlreadyThere):
        issue(desk, licensed.request(challenge=CHALLENGE))
    assert desk.contents() == before


def test_history_is_neither_changed_nor_deleted(desk: VendorsDesk, licensed: SimulatedSite) -> None:
    import sqlite3
    from contextlib import closing

    issue(desk, licensed.request(challenge=CHALLENGE))
    desk.rotate(new=(("time", "ed25519"),))
    with closing(sqlite3.connect(desk.home.database, isolation_level=None)) as database:
        for table in ("time_tokens", "trusts"):
            for statement in (f"UPDATE {table} SET document = x'00'", f"DELETE FROM {table}"):
                with pytest.raises(sqlite3.IntegrityError, match="is history"):
                    database.execute(statement)


def test_another_hour_can_be_vouched_for(shell: Shell, site: SimulatedSite) -> None:
    shell.issue(site)
    request = shell.desk.file("asks", site.request(challenge=CHALLENGE))
    printed = shell.json("time", "issue", request, "--at", "2026-04-01T13:30:00Z", "--out", "time.json")
    assert (printed["site"], printed["serial"], printed["missing"]) == ("plant-7", 1, 0)
    data = (shell.desk.folder / "time.json").read_bytes()
    token = open_time_token(data, shell.desk.trust, site="plant-7", epoch=1, challenge=CHALLENGE).claims
    assert token.issued_at == NOW + timedelta(minutes=90)
    again = shell.run("time", "issue", request, "--out", "b.json", *shell.words)
    assert (again.exit_code, again.stdout) == (96, "")
