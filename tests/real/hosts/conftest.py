"""The chapters assert as tests do: a failure shows both sides."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.real.hosts.chapters", "tests.real.hosts.story", "tests.real.hosts.package_chapters"
)
