"""Versions: dpkg, rpm and the installer agree on which release is newer."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest

from bundle.errors import BundleRefused
from deb_rpm.names import name_of, packaged_version, tree_of
from installer.successor import order

RISING = (
    *("0.1.0alpha1", "0.1.0beta2", "0.1.0rc1", "0.1.0rc2", "0.1.0rc10", "0.1.0", "0.1.1", "0.2.0-rc.1", "0.2.0"),
    *("0.9.9", "0.10.0", "1.0.0-rc9", "1.0.0-rc11", "1.0.0", "1.2.10", "1.10.0", "2.0.0.rc3", "2.0.0", "10.0.0"),
)
PAIRS = tuple(itertools.combinations(RISING, 2))


def test_the_installer_sorts_releases_as_they_are_written_here() -> None:
    assert all(order(older) < order(newer) for older, newer in PAIRS)


def test_dpkg_sorts_them_the_same_way() -> None:
    tests = [
        f"dpkg --compare-versions '{packaged_version(a)}' lt '{packaged_version(b)}' || echo {a} {b}" for a, b in PAIRS
    ]
    done = subprocess.run(["sh", "-c", "\n".join(tests)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_rpm_sorts_them_the_same_way() -> None:
    if shutil.which("rpm") is None:
        pytest.skip("rpm is not installed")
    calls = ", ".join(f"rpm.vercmp('{packaged_version(a)}', '{packaged_version(b)}')" for a, b in PAIRS)
    done = subprocess.run(["rpm", "--eval", f"%{{lua: print({calls})}}"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["-1"] * len(PAIRS)


@pytest.mark.parametrize("version", ["1.0", "1.0.0+b1", "1.0.0.post1", "v1.0.0", "1.0.0rc", "01.0.0", "1.0.0~rc1", ""])
def test_a_version_without_a_place_in_that_order_is_refused(version: str) -> None:
    with pytest.raises(BundleRefused, match="cannot be a package's version"):
        packaged_version(version)


def test_files_are_called_as_each_package_manager_calls_them() -> None:
    files = [name_of(kind, "1.2.0rc1", arch).file for kind in ("deb", "rpm") for arch in ("x86_64", "aarch64")]
    assert files == [
        "ao-appliance_1.2.0~rc1_amd64.deb",
        "ao-appliance_1.2.0~rc1_arm64.deb",
        "ao-appliance-1.2.0~rc1-1.x86_64.rpm",
        "ao-appliance-1.2.0~rc1-1.aarch64.rpm",
    ]
    assert str(tree_of("1.2.0rc1")) == "/usr/lib/ao-appliance/1.2.0rc1"
