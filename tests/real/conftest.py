"""What all tests with real parts share: one vendor, and one llama.cpp server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.model_server import ModelServer, model_server
from tests.real.site_and_vendor import Vendor


@pytest.fixture(scope="session")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    return Vendor.made(tmp_path_factory.mktemp("vendor"))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with model_server(tmp_path_factory.mktemp("llama")) as server:
        yield server
