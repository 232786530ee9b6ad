"""A site with one administrator, for whatever is about who somebody is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.operations.administrators import Enrolment
from appliance.state.site import Site
from tests.appliance.access.administered import make
from tests.appliance.sites import make_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(make_site(tmp_path / "state")) as made:
        yield made


@pytest.fixture
def anna(site: Site) -> Enrolment:
    return make(site)
