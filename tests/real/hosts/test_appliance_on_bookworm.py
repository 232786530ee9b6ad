"""The appliance on a Debian 12 that has nothing: installed, set up from a stick, upgraded, returned, taken away."""

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
    found.same("0.2.0")
    found.never_ready("0.3.0")
    found.signed("0.4.0", vendor)
    found.no_way_back("0.5.0")
    return found


def test_a_host_gets_the_appliance_and_is_rid_of_it(releases: Releases, vendor: Vendor, tmp_path: Path) -> None:
    with story_on("bookworm", releases, vendor, tmp_path) as story:
        with story.switched_on(), told(story) as tell:
            before = tell(chapters.everything)
            tell(chapters.a_dry_run_does_nothing)
            tell(chapters.install)
            tell(chapters.the_unit_is_hardened)
            tell(chapters.set_up)
            tell(chapters.secrets_are_credentials)
            tell(chapters.threads_take_turns)
            tell(chapters.addresses_are_kept_to)
            tell(chapters.an_upgrade_that_is_never_ready, "0.3.0")
            tell(chapters.a_file_that_the_vendor_did_not_sign_is_refused)
            tell(chapters.upgrade_with_a_stream_under_way, "0.4.0")
            tell(chapters.rollback, "0.1.0")
            tell(chapters.upgrade, "0.2.0")
            tell(chapters.upgrade, "0.5.0")
            tell(chapters.no_way_down_across_a_schema, "0.4.0")
            tell(chapters.every_answer_is_in_the_books)
        with story.switched_on(), told(story) as tell:
            tell(chapters.it_answers_after_power_on)
            tell(chapters.a_support_bundle_holds_no_secret)
            tell(chapters.a_certificate_is_taken_up_by_systemctl_reload)
            tell(chapters.uninstall)
            assert chapters.differences(before, tell(chapters.everything)) == {}
    keep_figures(story)
