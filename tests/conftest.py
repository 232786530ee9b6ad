"""What holds for every test: hypothesis measures the product, not how busy the machine is; a release is made once.

A commit's verdict is its own: property tests draw the same examples in every run of it. Others are looked for with
`make test ARGS=--hypothesis-profile=explore`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.packaging.made import Made, MadeImage, made, made_image, runtime_is_kept
from tests.real.filesystems import unmount_what_a_killed_run_left

settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("house", settings.get_profile("explore"), derandomize=True)
settings.load_profile("house")


def pytest_sessionstart() -> None:
    unmount_what_a_killed_run_left(Path(tempfile.gettempdir()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first waits for the release to be made, which takes a minute of a quiet processor."""
    for item in items:
        if {"made_release", "image_of_release"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def made_release() -> Made:
    """The release of this tree for this machine, made once."""
    arch = os.uname().machine
    if not runtime_is_kept(arch):
        pytest.skip("no runtime is kept here: make runtime, or name the folder of one with AO_RUNTIME_CACHE")
    return made(arch)


@pytest.fixture(scope="session")
def image_of_release(made_release: Made) -> MadeImage:
    """The same release as an OCI image, made once."""
    return made_image(made_release)
