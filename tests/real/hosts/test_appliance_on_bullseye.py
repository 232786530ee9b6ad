"""The appliance on a Debian 11 that has nothing: upgrades that lose something or are killed; a backup comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.hosts import chapters
from tests.real.hosts.releases import Releases
from tests.real.hosts.telling import keep_figures, story_on, told
from tests.real.site_and_vendor import Vendor

pytestmark = [pytest.mark.real, pytest.mark.timeout(900, func_only=True)]


@pytest.fixture(scope="module")
def releases(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    found = Releases.beside(tmp_path_factory.mktemp("releases"))
    found.loses("0.3.0")
    found.signed("0.4.0", vendor)
    return found


def test_a_host_gets_the_appliance_and_another_has_it_from_its_backup(
    releases: Releases, vendor: Vendor, tmp_path: Path
) -> None:
    with story_on("bullseye", releases, vendor, tmp_path) as story, story.switched_on(), told(story) as tell:
        before = tell(chapters.everything)
        tell(chapters.a_host_without_libgcc_is_told_so)
        tell(chapters.install)
        tell(chapters.the_unit_is_hardened)
        tell(chapters.set_up)
        tell(chapters.secrets_are_credentials)
        tell(chapters.secrets_without_credentials)
        tell(chapters.addresses_are_kept_to)
        tell(chapters.an_upgrade_that_loses_an_exchange, "0.3.0")
        tell(chapters.an_upgrade_that_is_killed, "0.4.0")
        tell(chapters.rollback, "0.1.0")
        tell(chapters.every_answer_is_in_the_books)
        tell(chapters.back_up)
        tell(chapters.uninstall)
        assert chapters.differences(before, tell(chapters.everything)) == {}
        tell(chapters.restore_on_a_fresh_host)
    keep_figures(story)
