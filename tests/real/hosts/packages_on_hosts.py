"""The appliance as a deb and as an rpm, on hosts that boot: up, down, failed, killed, removed, purged.

Not in the suite: `make test-packages` runs it. The host is Debian for both; Debian's rpm is the real one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.facts import read_facts
from deb_rpm.build import KINDS, build
from licensing.version import BUILD_TIME
from tests.installer.releases import changed
from tests.real.hosts import chapters, package_chapters
from tests.real.hosts.releases import ADDS, FACTS, MIGRATION, Releases
from tests.real.hosts.telling import story_on, told
from tests.real.site_and_vendor import Vendor

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """0.2.0 is no other but by its name; 0.3.0 is never ready; 0.4.0 brings another schema; 0.5.0 has no way back."""
    if os.geteuid() != 0:
        pytest.skip("only root can boot a container")
    found = Releases.beside(tmp_path_factory.mktemp("releases"))
    found.same("0.2.0")
    found.never_ready("0.3.0")
    changed(found.first.tree, found.folder / "0.4.0", version="0.4.0", added={MIGRATION: ADDS}, facts=FACTS)
    found.no_way_back("0.5.0")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_does_what_the_run_does(kind: str, releases: Releases, vendor: Vendor, tmp_path: Path) -> None:
    for tree in (releases.first.tree, *(releases.folder / each for each in ("0.2.0", "0.3.0", "0.4.0", "0.5.0"))):
        build(kind, tree, read_facts(tree), int(BUILD_TIME.timestamp()), releases.folder / "packages")
    with story_on("bookworm", releases, vendor, tmp_path, also="rpm" if kind == "rpm" else None) as story:
        with story.switched_on(), told(story) as tell:
            before = tell(package_chapters.everything)
            tell(package_chapters.install, kind)
            tell(chapters.the_unit_is_hardened)
            tell(chapters.set_up)
            tell(package_chapters.an_upgrade_that_fails, kind, "0.3.0")
            tell(package_chapters.killed_while_it_upgrades, kind, "0.2.0")
            tell(package_chapters.go_to, kind, "0.4.0")
            tell(package_chapters.the_release_before_can_be_gone_back_to, kind, "0.2.0")
            tell(package_chapters.go_to, kind, "0.1.0")
            tell(package_chapters.go_to, kind, "0.5.0")
            tell(package_chapters.going_down_is_refused_where_the_state_cannot_go, kind, "0.2.0")
            tell(chapters.every_answer_is_in_the_books)
        with story.switched_on(), told(story) as tell:
            tell(chapters.it_answers_after_power_on)
            tell(package_chapters.remove_and_come_again, kind, "0.5.0")
            tell(package_chapters.purge, kind)
            assert chapters.differences(before, tell(package_chapters.everything)) == {}
    print(f"\n{kind}: {story.took}")
