"""The chapters assert as tests do: a failure shows both sides. Each story has a vendor of its own, who knows no other
host of the same name."""

from __future__ import annotations

import pytest

from tests.real.site_and_vendor import Vendor

pytest.register_assert_rewrite(
    "tests.real.hosts.chapters", "tests.real.hosts.story", "tests.real.hosts.package_chapters"
)


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    return Vendor.made(tmp_path_factory.mktemp("vendor"))
