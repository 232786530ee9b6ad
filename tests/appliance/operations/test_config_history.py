"""Which configs were in force, and going back to one: as far as the ratchet and the newest allow, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.config.open import DELEGATED_ROLE, VENDOR_ROLE
from appliance.config.secrets import SecretLookup
from appliance.operations.config import activate_config, config_in_force, examine_config
from appliance.operations.config_history import find_way_back, go_back, history
from appliance.state.site import Site, open_site
from licensing.document import format_time
from licensing.ratchet import Arrival, Floor
from tests.appliance.cli.commands import ao
from tests.appliance.operations.test_life_config import WARDS
from tests.appliance.operations.test_life_papers import (
    bring_config,
    config_file,
    delegation,
    follow,
    nothing_changes,
    refusal_of,
    refused,
)
from tests.appliance.operations.test_life_vendor import Vendor
from tests.appliance.papers import DEMO_MODELS, NOW, OFFICERS, config_bytes
from tests.appliance.sites import any_secret, licensed_site, no_secrets, on_stick, put_config, put_licence

TALK = DEMO_MODELS.replace("chat", "talk")
NAMED_KEY = (
    "models:\n  - alias: chat\n    provider:\n      name: openai-compatible\n      api_base: http://gpu/v1\n"
    "      api_key: ${GPU_KEY}\n"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Config 1 and then 3 came in; 3 is in force."""
    made = licensed_site(tmp_path / "state")
    bring_config(made, 3, *OFFICERS, text=TALK)
    yield made
    made.close()


def back(site: Site, serial: int | None = None, *, now: datetime = NOW, secrets: SecretLookup = any_secret) -> None:
    """As `ao config rollback --yes` does it."""
    go_back(site, find_way_back(site, serial, secrets, now), now)


def serial_in_force(site: Site) -> int:
    return config_in_force(site)[0].serial


def acts(site: Site) -> list[tuple[str, str]]:
    rows = site.database.execute("SELECT act, subject FROM audit ORDER BY seq").fetchall()
    return [(row["act"], row["subject"]) for row in rows if row["act"].startswith("config.")]


def config_floor(site: Site) -> Floor:
    found = site.floor_of(VENDOR_ROLE)
    assert found is not None
    return found


# -- history -----------------------------------------------------------------------------------------------------------


def test_the_history_tells_what_was_in_force_when_and_by_whom(site: Site) -> None:
    back(site, now=NOW + timedelta(minutes=5))
    told = [(each.floor.serial, each.how, each.at, each.until) for each in history(site)]
    at, later = format_time(NOW), format_time(NOW + timedelta(minutes=5))
    assert told == [(1, "rollback", later, None), (3, "import", at, later), (1, "import", at, at)]
    assert {each.who for each in history(site)} == {site.actor}
    assert history(site)[0].floor == site.in_force("config")


def test_a_site_of_an_earlier_release_can_go_back_to_what_it_had(tmp_path: Path) -> None:
    """Its database knows no history: it begins with the config in force, which is encrypted on that occasion."""
    with closing(licensed_site(tmp_path / "state")) as site:
        clear = site.document("config")
        site.database.execute("UPDATE documents SET bytes = ? WHERE role = 'config'", (clear,))
        site.database.execute("DROP TABLE config_history")
        site.database.execute("PRAGMA user_version = 2")
        site.database.execute("PRAGMA application_id = 0")
    assert clear is not None
    assert clear in (tmp_path / "state" / "ao.db").read_bytes(), "or this would show nothing"
    with closing(open_site(tmp_path / "state")) as site:
        assert [each.floor for each in history(site)] == [site.in_force("config")]
        for file in (tmp_path / "state").glob("ao.db*"):
            assert b"alias: chat" not in file.read_bytes(), file
        bring_config(site, 2, *OFFICERS, text=TALK)
        back(site)
        assert serial_in_force(site) == 1
        assert site.document("config") == clear


# -- going back --------------------------------------------------------------------------------------------------------


def test_back_to_the_one_before_and_forth_again(site: Site) -> None:
    floor = config_floor(site)
    back(site)
    assert serial_in_force(site) == 1
    assert refusal_of(site) is None
    assert config_floor(site) == floor, "the ratchet stays where it is"
    assert bring_config(site, 3, *OFFICERS, text=TALK) is Arrival.NEW
    assert serial_in_force(site) == 3
    assert acts(site)[-2:] == [
        ("config.rollback", "config serial 1, key epoch 1"),
        ("config.import", "config serial 3, key epoch 1"),
    ]
    assert site.verify_audit().first_bad is None


def test_back_to_a_serial(site: Site) -> None:
    bring_config(site, 7, *OFFICERS)
    back(site, 1)
    assert serial_in_force(site) == 1
    back(site, 3)
    assert serial_in_force(site) == 3


def test_back_twice_is_forth(site: Site) -> None:
    """The one before the one that one went back to: the newest, not one still older."""
    back(site)
    back(site)
    assert serial_in_force(site) == 3


@pytest.mark.parametrize("serial", [1, 2])
def test_no_older_document_comes_in_because_one_went_back(site: Site, serial: int) -> None:
    back(site)
    file = on_stick(site, "old", config_bytes(serial=serial, signers=OFFICERS))
    with refused(site, "serial_refused"):
        examine_config(site, file, any_secret, NOW)


def test_another_document_with_the_newest_serial_is_refused_after_going_back(site: Site) -> None:
    back(site)
    with refused(site, "serial_conflict"):
        bring_config(site, 3, *OFFICERS, text=DEMO_MODELS)


@pytest.mark.parametrize(("serial", "words"), [(2, "No config with serial 2"), (3, "the one in force")])
def test_what_was_never_in_force_or_is_so_now_is_no_goal(site: Site, serial: int, words: str) -> None:
    with refused(site, "rollback_refused") as caught:
        back(site, serial)
    assert words in caught.value.message


def test_a_first_config_has_nothing_before_it(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site, refused(site, "rollback_refused") as caught:
        back(site)
    assert "No other config" in caught.value.message


def test_not_across_key_epochs(site: Site) -> None:
    """The role's keys were replaced, perhaps because one leaked: nothing signed by them comes back."""
    vendor = Vendor().rotated("config")
    follow(site, 2, *_roots(vendor), role_keys=_role_keys(vendor), epochs=dict(vendor.generations))
    with refused(site, "rollback_refused") as caught:
        back(site)
    assert "key epoch" in caught.value.message
    bring_config(site, 1, *vendor.signers("config"))
    with refused(site, "rollback_refused"):
        back(site)
    bring_config(site, 2, *vendor.signers("config"), text=TALK)
    back(site)
    assert serial_in_force(site) == 1
    assert site.in_force("config") == history(site)[0].floor


def _roots(vendor: Vendor) -> tuple[str, ...]:
    return vendor.signers("root")


def _role_keys(vendor: Vendor) -> dict[str, tuple[str, ...]]:
    return {role: vendor.names(role) for role in vendor.generations}


def test_not_below_what_the_newest_config_allows(site: Site) -> None:
    bring_config(site, 5, *OFFICERS, text=DEMO_MODELS + "rollback: {not_below: 3}\n")
    with refused(site, "rollback_refused") as caught:
        back(site, 1)
    assert "Config 5" in caught.value.message
    assert "below serial 3" in caught.value.message
    back(site, 3)
    with refused(site, "rollback_refused"):
        back(site, 1)
    assert serial_in_force(site) == 3


def test_the_newest_decides_even_when_it_is_not_in_force(site: Site) -> None:
    """Else two steps back would reach what one may not."""
    bring_config(site, 4, *OFFICERS, text=DEMO_MODELS)
    bring_config(site, 5, *OFFICERS, text=TALK + "rollback: {not_below: 4}\n")
    back(site)
    assert serial_in_force(site) == 4
    for serial in (1, 3):
        with refused(site, "rollback_refused"):
            back(site, serial)


def test_what_a_revoked_key_signed_does_not_come_back(site: Site) -> None:
    """Withdrawing a key of the vendor's raises the role's epoch; one of the customer's officers is simply out."""
    follow(site, 2, revoked_keys=["officer-1"], epochs={"config": 2})
    with refused(site, "rollback_refused") as caught:
        back(site)
    assert "key epoch" in caught.value.message
    put_licence(site, serial=2, config_delegation=delegation(*WARDS))
    bring_config(site, 1, "ward-1", "ward-2")
    bring_config(site, 2, "ward-2", "ward-3", text=TALK)
    follow(site, 3, revoked_keys=["officer-1", "ward-1"], epochs={"config": 2})
    with refused(site, "rollback_refused") as caught:
        back(site, 1)
    assert "may not sign configs any more" in caught.value.message


def test_what_the_newest_allows_is_unknown_where_its_signer_was_withdrawn(site: Site) -> None:
    put_licence(site, serial=2, config_delegation=delegation(*WARDS))
    bring_config(site, 1, "ward-2", "ward-3")
    bring_config(site, 2, "ward-1", "ward-2", text=TALK)
    follow(site, 2, revoked_keys=["ward-1"])
    with refused(site, "rollback_refused") as caught:
        back(site, 1)
    assert "cannot be read" in caught.value.message
    bring_config(site, 3, "ward-2", "ward-3")
    back(site, 1)
    assert serial_in_force(site) == 1


def test_what_the_licence_no_longer_covers_does_not_come_back(site: Site) -> None:
    put_licence(site, serial=2, models=["talk"])
    with refused(site, "config_refused") as caught:
        back(site)
    assert "'chat'" in caught.value.message


def test_what_asks_for_a_secret_that_is_gone_does_not_come_back(site: Site) -> None:
    bring_config(site, 5, *OFFICERS, text=NAMED_KEY)
    bring_config(site, 6, *OFFICERS, text=TALK)
    with refused(site, "secret_missing") as caught:
        back(site, secrets=no_secrets)
    assert "GPU_KEY" in caught.value.message
    assert "models[0].provider.api_key" in str(caught.value.where)
    back(site)
    assert serial_in_force(site) == 5


def test_nothing_goes_back_while_the_config_is_frozen(site: Site) -> None:
    put_licence(site, serial=2, expires_at=format_time(NOW + timedelta(days=1)))
    with refused(site, "config_frozen"):
        back(site, now=NOW + timedelta(days=3))


def test_what_changed_between_looking_and_agreeing_counts(site: Site) -> None:
    way = find_way_back(site, None, any_secret, NOW)
    bring_config(site, 5, *OFFICERS, text=DEMO_MODELS + "rollback: {not_below: 4}\n")
    with refused(site, "rollback_refused"):
        go_back(site, way, NOW)
    bring_config(site, 6, *OFFICERS)
    way = find_way_back(site, 1, any_secret, NOW)
    follow(site, 2, revoked_keys=["officer-1"], epochs={"config": 2})
    with refused(site, "rollback_refused"):
        go_back(site, way, NOW)


def test_a_database_in_which_configs_were_swapped_is_found_out(site: Site) -> None:
    """Config 1 under the number of the newest would lift what the newest forbids."""
    bring_config(site, 5, *OFFICERS, text=DEMO_MODELS + "rollback: {not_below: 5}\n")
    site.database.execute(
        "UPDATE documents SET bytes = (SELECT bytes FROM documents WHERE role = 'config' AND serial = 1)"
        " WHERE role = 'config' AND serial = 5"
    )
    with refused(site, "rollback_refused") as caught:
        back(site, 1)
    assert "what it allows is unknown" in caught.value.message


def test_what_is_stored_as_another_config_is_not_put_back(site: Site) -> None:
    bring_config(site, 5, *OFFICERS)
    site.database.execute(
        "UPDATE documents SET bytes = (SELECT bytes FROM documents WHERE role = 'config' AND serial = 1)"
        " WHERE role = 'config' AND serial = 3"
    )
    with refused(site, "state_damaged"):
        back(site, 3)


# -- configs of the customer's own officers ----------------------------------------------------------------------------


def test_officers_go_back_among_their_own_configs_alone(site: Site) -> None:
    put_licence(site, serial=2, config_delegation=delegation(*WARDS))
    with refused(site, "rollback_refused"):
        back(site)
    bring_config(site, 1, "ward-1", "ward-2")
    with refused(site, "rollback_refused"):
        back(site)
    bring_config(site, 2, "ward-2", "ward-3", text=TALK)
    back(site)
    assert serial_in_force(site) == 1
    assert history(site)[0].floor.role == DELEGATED_ROLE


def test_new_officers_do_not_go_back_to_what_the_old_ones_signed(site: Site) -> None:
    put_licence(site, serial=2, config_delegation=delegation(*WARDS))
    bring_config(site, 1, "ward-1", "ward-2")
    put_licence(site, serial=3, config_delegation=delegation("ward-7", "ward-8", epoch=2))
    bring_config(site, 1, "ward-7", "ward-8")
    with refused(site, "rollback_refused"):
        back(site)
    with refused(site, "rollback_refused"):
        back(site, 3)


def test_officers_replaced_without_a_new_epoch_leave_nothing_to_go_back_to(site: Site) -> None:
    put_licence(site, serial=2, config_delegation=delegation(*WARDS))
    bring_config(site, 1, "ward-1", "ward-2")
    put_licence(site, serial=3, config_delegation=delegation("ward-7", "ward-8"))
    bring_config(site, 2, "ward-7", "ward-8")
    with refused(site, "rollback_refused") as caught:
        back(site)
    assert "may not sign configs any more" in caught.value.message


# -- on the command line -----------------------------------------------------------------------------------------------


def today() -> datetime:
    """The commands ask the host's clock."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def site_today(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state", now=today())
    put_config(made, TALK, now=today(), serial=3)
    yield made
    made.close()


def test_the_same_config_again_is_no_event(site_today: Site) -> None:
    data = site_today.document("config")
    assert data is not None
    file = on_stick(site_today, "the-same", data)
    with nothing_changes(site_today):
        said = ao("config", "import", str(file), "--yes", state=site_today.folder)
    assert (said.code, said.fault) == (0, None)
    assert "already in force" in said.out


def test_asking_for_json_is_no_consent(site_today: Site) -> None:
    with nothing_changes(site_today):
        said = ao("config", "rollback", "--json", state=site_today.folder)
    assert said.code == 1
    assert '"not agreed"' in said.out


def test_the_plan_is_shown_and_no_is_an_answer(site_today: Site) -> None:
    with nothing_changes(site_today):
        said = ao("config", "rollback", state=site_today.folder, typed="n\n")
    assert said.code == 1
    assert "added chat" in said.out
    assert "removed talk" in said.out


def test_a_refused_way_back_says_why_and_leaves_everything(site_today: Site) -> None:
    put_config(site_today, DEMO_MODELS + "rollback: {not_below: 5}\n", now=today(), serial=5)
    with nothing_changes(site_today):
        said = ao("config", "rollback", "--yes", state=site_today.folder)
    assert said.code != 0
    assert "rollback_refused" in said.err
    assert "allows no way back below serial 5" in said.err


def test_a_config_that_was_examined_and_overtaken_does_not_come_in(site: Site) -> None:
    candidate = examine_config(site, config_file(site, 4, *OFFICERS), any_secret, NOW)
    bring_config(site, 5, *OFFICERS)
    with refused(site, "serial_refused"):
        activate_config(site, candidate, NOW)
