"""A site with a licence and a config in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.state.site import Site
from tests.appliance.sites import licensed_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state")
    yield made
    made.close()
