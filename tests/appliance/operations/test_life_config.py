"""Handing the config role over and back, features that an edition lacks, and what a licence would change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.config.open import DELEGATED_ROLE, VENDOR_ROLE
from appliance.errors import ConfigRefused
from appliance.operations.config import activate_config, config_in_force, examine_config
from appliance.operations.licence import consequences, standing, verify_licence
from appliance.state.site import Site
from licensing.document import format_time
from licensing.ratchet import Arrival
from licensing.standing import Rung
from tests.appliance.cli.commands import ao
from tests.appliance.operations.test_life_papers import (
    bring_config,
    config_file,
    delegation,
    follow,
    nothing_changes,
    refusal_of,
    refused,
    tables,
)
from tests.appliance.papers import DEMO_MODELS, NOW, licence_bytes
from tests.appliance.sites import any_secret, licensed_site, on_stick, put_config, put_licence

VENDOR = ("officer-1", "officer-2")
"""Keys of the trust's own role `config`."""
WARDS = ("ward-1", "ward-2", "ward-3")
"""Keys of the customer's officers, in the licence alone."""
OWN_SERVER = "models:\n  - alias: chat\n    provider:\n      name: openai-compatible\n      api_base: http://gpu-1/v1\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def delegated(site: Site) -> Site:
    put_licence(site, serial=2, config_delegation=delegation(*WARDS))
    return site


def licence_file(site: Site, **changes: Any) -> Path:
    data = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, **{"serial": 9, **changes})
    return on_stick(site, "planned.json", data)


def would_change(site: Site, **changes: Any) -> list[str]:
    with nothing_changes(site):
        return consequences(site, verify_licence(site, licence_file(site, **changes), NOW))


def role_in_force(site: Site) -> str:
    found = site.in_force("config")
    assert found is not None
    return found.role


# -- the config in the customer's own hands ----------------------------------------------------------------------------


def test_the_config_in_force_survives_the_handing_over(delegated: Site) -> None:
    assert refusal_of(delegated) is None
    assert role_in_force(delegated) == VENDOR_ROLE


def test_four_eyes_bring_a_config_in(delegated: Site) -> None:
    assert bring_config(delegated, 2, "ward-1", "ward-3") is Arrival.NEW
    assert role_in_force(delegated) == DELEGATED_ROLE
    assert refusal_of(delegated) is None


@pytest.mark.parametrize(
    "signers",
    [("ward-1",), VENDOR, ("ward-1", "officer-1"), ("ward-1", "ward-4"), ("licence-1", "licence-2"), ("ward-2",) * 2],
    ids="+".join,
)
def test_two_eyes_are_not_enough_and_the_vendor_signs_no_more(delegated: Site, signers: tuple[str, ...]) -> None:
    file = config_file(delegated, 2, *signers)
    with refused(delegated, "signature_refused"):
        examine_config(delegated, file, any_secret, NOW)


def test_before_the_handing_over_the_officers_sign_nothing(site: Site) -> None:
    with refused(site, "signature_refused"):
        bring_config(site, 2, "ward-1", "ward-2")


def test_the_officers_count_from_the_start(site: Site) -> None:
    """A ratchet of their own: however far the vendor had counted, their first config is 1."""
    bring_config(site, 5000, *VENDOR)
    put_licence(site, serial=2, config_delegation=delegation(*WARDS))
    bring_config(site, 1, "ward-1", "ward-2")
    assert config_in_force(site)[0].serial == 1
    with refused(site, "serial_conflict"):
        bring_config(site, 1, "ward-1", "ward-2", text=OWN_SERVER)


def test_new_officers_in_a_new_epoch_count_from_the_start_again(delegated: Site) -> None:
    bring_config(delegated, 2**40, "ward-1", "ward-2")
    put_licence(delegated, serial=3, config_delegation=delegation("ward-7", "ward-8", epoch=2))
    bring_config(delegated, 1, "ward-7", "ward-8")
    assert refusal_of(delegated) is None


def test_an_officer_whom_the_vendor_revoked_signs_no_more(delegated: Site) -> None:
    follow(delegated, 2, revoked_keys=["ward-1"])
    with refused(delegated, "signature_refused"):
        bring_config(delegated, 2, "ward-1", "ward-2")
    bring_config(delegated, 2, "ward-2", "ward-3")


def test_handing_the_role_back_leaves_a_way_on(delegated: Site) -> None:
    bring_config(delegated, 1, "ward-1", "ward-2")
    put_licence(delegated, serial=3)
    assert bring_config(delegated, 2, *VENDOR) is Arrival.NEW
    assert role_in_force(delegated) == VENDOR_ROLE
    assert refusal_of(delegated) is None


def test_the_vendors_last_config_comes_back_into_force_when_the_role_does(delegated: Site) -> None:
    """It is known already, but it is not what is in force: "nothing to do" would leave the site without a config."""
    bring_config(delegated, 1, "ward-1", "ward-2", text=DEMO_MODELS.replace("chat", "talk"))
    put_licence(delegated, serial=3)
    put_config(delegated)
    assert role_in_force(delegated) == VENDOR_ROLE
    assert refusal_of(delegated) is None


def test_the_same_config_in_grace_is_still_no_news(site: Site) -> None:
    put_licence(site, serial=2, expires_at=format_time(NOW + timedelta(days=1)))
    later = NOW + timedelta(days=3)
    assert standing(site, later).rung is Rung.GRACE
    with refused(site, "config_frozen"):
        bring_config(site, 2, *VENDOR, now=later)
    assert refusal_of(site, later) is None


# -- features ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", ["pro", "team", "business"])
@pytest.mark.parametrize(
    ("text", "feature", "title"),
    [
        (OWN_SERVER, "self_hosting", "private model servers"),
        (DEMO_MODELS, "demo", "the demonstration model"),
    ],
    ids=["self_hosting", "demo"],
)
def test_what_the_edition_lacks_is_refused_with_line_key_and_edition(
    site: Site, edition: str, text: str, feature: str, title: str
) -> None:
    put_licence(site, serial=2, edition=edition, add_ons=[])
    with refused(site, "config_refused") as caught:
        bring_config(site, 2, *VENDOR, text=text)
    assert str(caught.value.where).endswith("line 9, models[0].provider.name")
    assert title in caught.value.message
    assert f"the add-on {feature!r}" in caught.value.message
    assert edition in caught.value.message
    put_licence(site, serial=3, edition=edition, add_ons=[feature])
    bring_config(site, 2, *VENDOR, text=text)
    assert refusal_of(site) is None


def test_nothing_is_switched_off_silently(site: Site) -> None:
    """Of two models one is not covered: neither comes in."""
    put_licence(site, serial=2, edition="pro", add_ons=["demo"])
    both = DEMO_MODELS + OWN_SERVER.removeprefix("models:\n").replace("chat", "own")
    with refused(site, "config_refused") as caught:
        bring_config(site, 2, *VENDOR, text=both)
    assert str(caught.value.where).endswith("line 12, models[1].provider.name")


def test_an_alias_outside_the_allow_list_is_refused_with_its_line(site: Site) -> None:
    put_licence(site, serial=2, models=["talk-*"])
    with refused(site, "config_refused") as caught:
        bring_config(site, 2, *VENDOR)
    assert str(caught.value.where).endswith("line 7, models[0].alias")
    assert isinstance(caught.value, ConfigRefused)
    assert "talk-*" in caught.value.message


# -- what a licence would change ---------------------------------------------------------------------------------------


def test_the_same_licence_again_would_change_nothing(site: Site) -> None:
    assert would_change(site) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"caps": {"rpm": 5}}, "from unlimited to 5 requests a minute"),
        ({"caps": {"tpm": 7}}, "from unlimited to 7 tokens a minute"),
        ({"models": ["talk-*"]}, "Model 'chat' would be refused"),
        ({"add_ons": []}, "A deployment of 'chat' would stop: the demonstration model"),
        ({"expires_at": format_time(NOW - timedelta(hours=1)), "grace_days": 0}, "No model calls would be answered"),
        ({"not_before": format_time(NOW + timedelta(days=3))}, "No model calls would be answered"),
    ],
    ids=["requests", "tokens", "model", "feature", "expired", "future"],
)
def test_what_would_stop_is_told(site: Site, changes: dict[str, Any], words: str) -> None:
    assert any(words in each for each in would_change(site, **changes)), would_change(site, **changes)


def test_raised_caps_are_no_loss(site: Site) -> None:
    put_licence(site, serial=2, caps={"rpm": 5})
    assert would_change(site, caps={"rpm": 6}) == []
    assert would_change(site, caps={}) == []


@pytest.mark.parametrize(
    "changes",
    [{}, {"config_delegation": delegation("ward-7", "ward-8", epoch=2)}],
    ids=["the role goes back", "other officers"],
)
def test_a_licence_under_which_the_config_in_force_has_no_signer_is_told(
    delegated: Site, changes: dict[str, Any]
) -> None:
    bring_config(delegated, 1, "ward-1", "ward-2")
    told = would_change(delegated, **changes)
    put_licence(delegated, serial=3, **changes)
    assert refusal_of(delegated) == "config_unusable", "every model stops"
    assert any("config" in each and "in force" in each for each in told), told


def test_the_plan_on_the_command_line_changes_nothing(site: Site) -> None:
    file = licence_file(site, caps={"rpm": 5}, models=["talk-*"])
    before = tables(site)
    said = ao("licence", "import", str(file), "--plan", state=site.folder)
    assert tables(site) == before
    assert "  - Model 'chat' would be refused: the licence does not cover it." in said.out.splitlines()
    assert "  - The cap would fall from unlimited to 5 requests a minute." in said.out.splitlines()


def test_a_plan_for_another_site_is_told_and_leaves_everything(site: Site) -> None:
    binding = {"site": "another-site", "key": site.key.public_key.keyid, "epoch": site.epoch}
    file = licence_file(site, binding=binding)
    before = tables(site)
    said = ao("licence", "import", str(file), "--plan", state=site.folder)
    assert (said.code, said.fault) == (25, None)
    assert "No model calls would be answered" in said.out
    assert tables(site) == before


def test_looking_at_a_config_changes_nothing(site: Site) -> None:
    file = config_file(site, 2, *VENDOR, text=OWN_SERVER)
    with nothing_changes(site):
        candidate = examine_config(site, file, any_secret, NOW)
    assert [change.alias for change in candidate.plan.changes] == ["chat"]
    assert activate_config(site, candidate, NOW) is Arrival.NEW
