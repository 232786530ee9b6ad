"""The two wheels: what reaches a customer is reviewed name by name, and nothing of the vendor's is among it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from licensing.version import __version__
from tests.rules.tree import ROOT, modules_in
from tests.rules.wheels import CUSTOMER, REVIEWED, VENDOR, build, members, metadata


@pytest.fixture(scope="module")
def customer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(CUSTOMER, tmp_path_factory.mktemp("customer"))


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(VENDOR, tmp_path_factory.mktemp("vendor"))


def test_nothing_of_the_vendors_reaches_a_customer(customer: Path) -> None:
    names = zipfile.ZipFile(customer).namelist()
    assert [name for name in names if "vendor" in name.split("/")[:-1]] == []
    assert [name for name in names if name.startswith(("tests/", ".ci/", "packaging/", "dist/"))] == []
    assert modules_in("licensing/vendor"), "licensing/vendor has vanished: this rule guards nothing any more"


def test_what_ships_is_what_was_reviewed(customer: Path) -> None:
    reviewed, ships = set(REVIEWED.read_text("utf-8").split()), set(members(customer))
    assert ships == reviewed, (
        f"ships unreviewed: {sorted(ships - reviewed)}; reviewed and missing: {sorted(reviewed - ships)}. "
        "Regenerate with: .venv/bin/python -m tests.rules.wheels > tests/rules/shipped_modules.txt"
    )


def test_every_module_of_the_tree_ships_in_one_of_the_two(customer: Path, vendor: Path) -> None:
    packages = ("licensing", "media", "appliance", "installer")
    tree = {module.path for package in packages for module in modules_in(package)}
    ships = {name for name in [*members(customer), *members(vendor)] if name.endswith(".py")}
    assert ships == tree
    assert not set(members(customer)) & set(members(vendor))


def test_the_vendors_wheel_holds_the_vendors_folder_alone(vendor: Path) -> None:
    assert members(vendor)
    assert [name for name in members(vendor) if not name.startswith("licensing/vendor/")] == []
    assert [name for name in zipfile.ZipFile(vendor).namelist() if "__pycache__" in name or name.endswith(".pyc")] == []


def test_what_the_vendors_modules_read_ships_beside_them(vendor: Path) -> None:
    assert {"licensing/vendor/billing/report.html.jinja", "licensing/vendor/RECONCILING.md"} <= set(members(vendor))


def test_the_two_belong_together(customer: Path, vendor: Path) -> None:
    assert metadata(customer)["Version"] == metadata(vendor)["Version"] == [__version__]
    assert f"ao-appliance=={__version__}" in metadata(vendor)["Requires-Dist"]


def test_each_wheel_has_its_own_command(customer: Path, vendor: Path) -> None:
    def commands(wheel: Path) -> str:
        archive = zipfile.ZipFile(wheel)
        return "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith("entry_points.txt"))

    assert "ao = appliance.cli.entry:main" in commands(customer)
    assert "ao-vendor" not in commands(customer)
    assert "ao-vendor = licensing.vendor.cli:main" in commands(vendor)


def test_the_wheels_are_built_from_this_tree() -> None:
    assert (ROOT / "pyproject.toml").is_file()
    assert (VENDOR / "pyproject.toml").is_file()
