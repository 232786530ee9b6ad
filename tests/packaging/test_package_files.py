"""A deb and an rpm of the release itself: what is in them is what is in the `.run`, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bundle import bill
from bundle.run_file import name_of as run_name
from deb_rpm.build import build
from deb_rpm.names import TREES, tree_of
from licensing.version import BUILD_TIME, __version__
from tests.packaging.made import Made
from tests.packaging.opened import Packed, in_deb, in_rpm, in_run
from tests.packaging.package_root import need

pytestmark = pytest.mark.real
EPOCH = int(BUILD_TIME.timestamp())


def test_both_hold_the_files_of_the_run_and_nothing_else_but_papers(made_release: Made, tmp_path: Path) -> None:
    need("rpm2cpio", "dpkg-deb")
    deb, rpm = (build(kind, made_release.tree, made_release.facts, EPOCH, tmp_path) for kind in ("deb", "rpm"))
    run = in_run(made_release.run_file)
    assert made_release.run_file.name == run_name(made_release.facts)
    assert len(run) > 3000
    for found, papers in (
        (in_deb(deb), {"copyright", "changelog.gz", "NOTICES.md"}),
        (in_rpm(rpm), {"LICENCE", "NOTICES.md"}),
    ):
        release = _below(found, f"{tree_of(__version__)}/")
        assert release == {name.strip("/"): each for name, each in run.items()}
        others = {name: each for name, each in found.items() if not name.startswith(str(TREES))}
        assert {Path(name).name for name, each in others.items() if each.sha256} == papers
        notices = found["/usr/share/doc/ao-appliance/NOTICES.md"]
        assert notices.sha256 == run[f"/{bill.NOTICES}"].sha256
        assert {each.owner for each in found.values()} == {(0, 0)}
        assert {each.date for each in found.values()} == {EPOCH}
    for file in (deb, rpm):
        assert file.stat().st_size < 60_000_000


def _below(found: Mapping[str, Packed], folder: str) -> dict[str, Packed]:
    return {name.removeprefix(folder): each for name, each in found.items() if name.startswith(folder)}
