from __future__ import annotations

from pathlib import Path

import pytest

from tests.licensing.vendor.simulated_site import SimulatedSite
from tests.licensing.vendor.vendors_desk import VendorsDesk, vendors_desk
from tests.licensing.vendor.vendors_shell import Shell


@pytest.fixture
def desk(tmp_path: Path) -> VendorsDesk:
    """A vendor who has just begun."""
    return vendors_desk(tmp_path)


@pytest.fixture
def site() -> SimulatedSite:
    """A site that has not yet introduced itself."""
    return SimulatedSite()


@pytest.fixture
def licensed(desk: VendorsDesk, site: SimulatedSite) -> SimulatedSite:
    """The same site, with a licence."""
    desk.issue(site)
    return site


@pytest.fixture
def shell(desk: VendorsDesk, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The vendor's command line, in the desk's folder."""
    monkeypatch.chdir(desk.folder)
    return Shell(desk)
