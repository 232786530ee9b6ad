"""Following the vendor's trust, and what becomes of papers whose signers it no longer names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.operations.config import activate_config, examine_config
from appliance.operations.licence import import_licence, standing
from appliance.operations.trust import import_trust
from appliance.state.site import Site
from licensing.errors import Refusal, SerialRefused, SignatureRefused
from licensing.ratchet import Arrival
from licensing.standing import Rung
from tests.appliance.cli.commands import ao
from tests.appliance.operations.test_life_papers import (
    ROOTS,
    bring_config,
    config_file,
    follow,
    nothing_changes,
    refusal_of,
    refused,
    roles,
    trust_file,
)
from tests.appliance.papers import NOW, licence_bytes
from tests.appliance.sites import any_secret, licensed_site, on_stick, put_licence

NEW_ROOTS = ("root-7", "root-8", "root-9")
NEW_OFFICERS = ("officer-7", "officer-8")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state")
    yield made
    made.close()


def version(site: Site) -> int:
    return site.trust().serial


# -- step by step ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(2, 3, 4), (4, 3, 2), (3, 4, 2)])
def test_a_site_behind_walks_in_order_however_the_files_are_named(site: Site, order: tuple[int, ...]) -> None:
    steps = import_trust(site, [trust_file(site, serial) for serial in order], NOW)
    assert [(step.version, step.arrival) for step in steps] == [(each, Arrival.NEW) for each in (2, 3, 4)]
    assert version(site) == 4
    assert refusal_of(site) is None


def test_a_rotation_of_the_roots_is_followed_through_to_the_next_step(site: Site) -> None:
    follow(site, 2, *ROOTS, "root-7", "root-8", role_keys=roles(root=NEW_ROOTS), epochs={"root": 2})
    with refused(site, "signature_refused"):
        follow(site, 3, *ROOTS, role_keys=roles(root=NEW_ROOTS), epochs={"root": 2})
    follow(site, 3, "root-8", "root-9", role_keys=roles(root=NEW_ROOTS), epochs={"root": 2})
    assert version(site) == 3


def test_a_gap_is_refused(site: Site) -> None:
    with refused(site, "serial_refused") as caught:
        follow(site, 3)
    assert "version 2 must come next" in caught.value.message


def test_the_versions_before_a_gap_stay_in_force(site: Site) -> None:
    with pytest.raises(SerialRefused):
        import_trust(site, [trust_file(site, 4), trust_file(site, 2)], NOW)
    assert version(site) == 2


def test_a_fork_is_refused_and_the_first_branch_stays(site: Site) -> None:
    follow(site, 2)
    with refused(site, "serial_refused"):
        follow(site, 2, revoked_licences=["L-2026-0007"])
    follow(site, 3)
    assert site.trust().revoked.licences == ()


def test_two_branches_on_one_medium_are_refused(site: Site) -> None:
    files = [trust_file(site, 2), trust_file(site, 2, name="other.json", revoked_licences=["L-2026-0007"])]
    with pytest.raises(SerialRefused):
        import_trust(site, files, NOW)
    assert version(site) == 2


def test_the_way_back_is_refused(site: Site) -> None:
    follow(site, 2)
    follow(site, 3)
    for serial in (1, 2):
        with refused(site, "serial_refused"):
            follow(site, serial, revoked_licences=["L-1999-0001"])


def test_versions_known_already_are_no_news(site: Site) -> None:
    files = [trust_file(site, serial) for serial in (1, 2, 3)]
    import_trust(site, files, NOW)
    with nothing_changes(site):
        steps = import_trust(site, files, NOW)
    assert [(step.version, step.arrival) for step in steps] == [(each, Arrival.SAME) for each in (1, 2, 3)]


def test_bringing_a_known_version_again_says_so_and_names_the_one_in_force(site: Site) -> None:
    first = trust_file(site, 2)
    import_trust(site, [first, trust_file(site, 3)], NOW)
    said = ao("trust", "import", str(first), state=site.folder)
    assert said.code == 0
    assert "known already" in said.out
    assert "version 2 is in force" not in said.out, "version 3 is"


@pytest.mark.parametrize(
    "signers",
    [ROOTS, ("root-7", "root-8"), ("root-1", "root-7", "root-8"), (*ROOTS, "root-7"), ("licence-1", "licence-2")],
)
def test_both_thresholds_must_have_signed(site: Site, signers: tuple[str, ...]) -> None:
    with refused(site, "signature_refused"):
        follow(site, 2, *signers, role_keys=roles(root=NEW_ROOTS), epochs={"root": 2})


@pytest.mark.parametrize("epoch", [1, 2])
def test_new_keys_need_a_higher_key_epoch(site: Site, epoch: int) -> None:
    follow(site, 2, epochs={"licence": 2})
    with refused(site, "serial_refused") as caught:
        follow(site, 3, role_keys=roles(licence=("licence-7",)), epochs={"licence": epoch})
    assert "key epoch" in caught.value.message


def test_a_role_may_change_hands_but_is_never_forgotten(site: Site) -> None:
    """Or it could come back with a lower key epoch, and the floors of its old keys would stand against its new ones."""
    with refused(site, "serial_refused"):
        follow(site, 2, role_keys=roles(time=None))
    follow(site, 2, role_keys=roles(time=("time-7",)), epochs={"time": 5})
    with refused(site, "serial_refused"):
        follow(site, 3, role_keys=roles(time=("time-8",)), epochs={"time": 4})


# -- papers whose signers are gone -------------------------------------------------------------------------------------


def retire_licence_keys(site: Site) -> None:
    follow(site, 2, role_keys=roles(licence=("licence-7",)), epochs={"licence": 2})


def retire_officers(site: Site, serial: int = 2) -> None:
    follow(site, serial, role_keys=roles(config=NEW_OFFICERS), epochs={"config": serial})


def test_a_licence_whose_signer_was_retired_stops_and_a_fresh_one_heals_it(site: Site) -> None:
    retire_licence_keys(site)
    assert standing(site, NOW).rung is Rung.UNREADABLE
    assert refusal_of(site) == "licence_unreadable"
    put_licence(site, signer="licence-7")
    assert refusal_of(site) is None


def test_a_retired_key_signs_no_licence_however_high_its_serial(site: Site) -> None:
    retire_licence_keys(site)
    with refused(site, "signature_refused"):
        put_licence(site, signer="licence-1", serial=2**40)


def test_a_licence_whose_signer_was_revoked_stops_and_a_newer_one_heals_it(site: Site) -> None:
    follow(site, 2, revoked_keys=["licence-1"], epochs={"licence": 2})
    assert refusal_of(site) == "licence_unreadable"
    put_licence(site, signer="licence-2", serial=2)
    assert refusal_of(site) is None


def test_the_same_licence_signed_by_another_key_of_the_role_heals_it(site: Site) -> None:
    """The body, and so its serial and digest, is the same; its signature is good again."""
    follow(site, 2, revoked_keys=["licence-1"], epochs={"licence": 2})
    put_licence(site, signer="licence-2", serial=1)
    assert refusal_of(site) is None


def test_a_licence_damaged_in_the_state_is_healed_by_importing_it_again(site: Site) -> None:
    """As the rung's own remedy says."""
    site.database.execute("UPDATE documents SET bytes = CAST('rot' AS BLOB) WHERE role = 'licence'")
    found = standing(site, NOW)
    assert found.rung is Rung.UNREADABLE
    assert "Import the licence again" in found.terms.remedy
    put_licence(site)
    assert refusal_of(site) is None


def test_a_revoked_licence_stops_and_another_one_heals_it(site: Site) -> None:
    follow(site, 2, revoked_licences=["L-2026-0007"])
    assert refusal_of(site) == "licence_revoked"
    with refused(site, "licence_revoked"):
        put_licence(site, serial=2)
    put_licence(site, serial=3, licence="L-2026-0008")
    assert refusal_of(site) is None


def test_a_config_whose_officers_were_retired_stops(site: Site) -> None:
    retire_officers(site)
    assert refusal_of(site) == "config_unusable"
    with pytest.raises(SignatureRefused):
        bring_config(site, 2, "officer-1", "officer-2")


def test_a_fresh_config_heals_one_whose_officers_were_retired(site: Site) -> None:
    retire_officers(site)
    assert bring_config(site, 1, *NEW_OFFICERS) is Arrival.NEW
    assert refusal_of(site) is None


def test_a_fresh_config_heals_one_that_was_damaged_in_the_state(site: Site) -> None:
    site.database.execute("UPDATE documents SET bytes = CAST('rot' AS BLOB) WHERE role = 'config'")
    assert refusal_of(site) == "config_unusable"
    bring_config(site, 2, "officer-1", "officer-2")
    assert refusal_of(site) is None


def test_a_leaked_key_that_signed_a_huge_serial_is_answered_by_rotating_its_role(site: Site) -> None:
    bring_config(site, 2**40, "officer-1", "officer-2")
    with refused(site, "serial_refused"):
        bring_config(site, 12, "officer-1", "officer-2")
    retire_officers(site)
    bring_config(site, 12, *NEW_OFFICERS)
    assert refusal_of(site) is None
    with refused(site, "signature_refused"):
        bring_config(site, 2**41, "officer-1", "officer-2")


def test_a_leaked_key_that_signed_a_huge_serial_is_answered_by_revoking_it(site: Site) -> None:
    """Or the trust that revokes it without a new key epoch is refused: a site must not be left without a way on."""
    bring_config(site, 2**40, "officer-1", "officer-2")
    try:
        follow(site, 2, revoked_keys=["officer-1"])
    except SerialRefused:
        return
    bring_config(site, 12, "officer-2", "officer-3")
    assert refusal_of(site) is None


def test_a_trust_step_between_looking_and_agreeing_is_noticed(site: Site) -> None:
    """`ao config import` shows the plan and waits for an answer; the trust may have moved on meanwhile."""
    candidate = examine_config(site, config_file(site, 2, "officer-1", "officer-2"), any_secret, NOW)
    retire_officers(site)
    with pytest.raises(Refusal):
        activate_config(site, candidate, NOW)
    in_force = site.in_force("config")
    assert in_force is not None
    assert in_force.serial == 1


def test_everything_on_one_medium_brings_a_site_on(site: Site) -> None:
    """Trust, licence and config by new keys, in the order that the handbook gives."""
    changed = roles(licence=("licence-7",), config=NEW_OFFICERS)
    follow(site, 2, role_keys=changed, epochs={"licence": 2, "config": 2})
    data = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, signer="licence-7")
    assert import_licence(site, on_stick(site, "l.json", data), NOW).arrival is Arrival.NEW
    bring_config(site, 1, *NEW_OFFICERS)
    assert refusal_of(site) is None
