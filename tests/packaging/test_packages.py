"""What a package says of itself to dpkg and rpm, for either machine; and that it is the same each time it is made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bundle.errors import BundleRefused
from bundle.facts import read_facts
from deb_rpm.build import KINDS, build
from deb_rpm.scripts import PIECES, scripts
from tests.packaging.opened import in_deb, in_rpm
from tests.packaging.package_root import need
from tests.packaging.small_packages import EPOCH, small_tree

MACHINES = {"x86_64": ("amd64", "x86_64"), "aarch64": ("arm64", "aarch64")}


def told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def packed(kind: str, folder: Path, *, version: str = "1.2.0rc1", arch: str = "x86_64") -> Path:
    tree = small_tree(folder / "tree", version, schema=7, arch=arch)
    return build(kind, tree, read_facts(tree), EPOCH, folder / "out")


@pytest.mark.parametrize("arch", MACHINES)
def test_a_deb_says_for_which_machine_it_is_and_what_it_needs(arch: str, tmp_path: Path) -> None:
    deb = packed("deb", tmp_path, arch=arch)
    assert deb.name == f"ao-appliance_1.2.0~rc1_{MACHINES[arch][0]}.deb"
    fields = {name: told("dpkg-deb", "-f", str(deb), name).strip() for name in ("Version", "Architecture", "Depends")}
    assert fields == {
        "Version": "1.2.0~rc1",
        "Architecture": MACHINES[arch][0],
        "Depends": "libc6 (>= 2.28), libgcc-s1 | libgcc1, passwd, systemd (>= 232)",
    }
    assert told("dpkg-deb", "-I", str(deb)).count("#!/bin/sh") == 4
    assert "conffiles" not in told("dpkg-deb", "-I", str(deb)), "settings are the operator's, and no package's"


@pytest.mark.parametrize("arch", MACHINES)
def test_an_rpm_says_for_which_machine_it_is_and_what_it_needs(arch: str, tmp_path: Path) -> None:
    need("rpm")
    rpm = packed("rpm", tmp_path, arch=arch)
    assert rpm.name == f"ao-appliance-1.2.0~rc1-1.{MACHINES[arch][1]}.rpm"
    asked = told("rpm", "-qp", "--qf", "%{VERSION} %{RELEASE} %{ARCH} %{BUILDHOST} %{BUILDTIME}", str(rpm))
    assert asked.split() == ["1.2.0~rc1", "1", MACHINES[arch][1], "ao-appliance", str(EPOCH)]
    needs = told("rpm", "-qp", "--requires", str(rpm)).splitlines()
    assert {each for each in needs if not each.startswith("rpmlib(")} == {
        *("/bin/sh", "/usr/sbin/useradd", "libc.so.6(GLIBC_2.28)(64bit)", "libgcc_s.so.1()(64bit)", "systemd >= 232"),
    }
    first = told("rpm", "-qp", "--qf", "[%{REQUIREFLAGS:deptype} %{REQUIRENAME}\n]", str(rpm))
    assert {"post /usr/sbin/useradd", "post systemd"} <= set(first.splitlines())
    assert told("rpm", "-qp", "--configfiles", str(rpm)) == ""
    assert "LICENCE" in told("rpm", "-qp", "--licensefiles", str(rpm))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_whenever_and_wherever_it_is_made(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = packed(kind, tmp_path / "once").read_bytes()
    elsewhere = tmp_path / "another, longer name"
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("HOSTNAME", "another")
    tree = small_tree(elsewhere / "tree", "1.2.0rc1", schema=7, arch="x86_64")
    for each in tree.rglob("*"):
        os.utime(each, (1, 1))
    old = os.umask(0o077)
    try:
        assert build(kind, tree, read_facts(tree), EPOCH, elsewhere / "out").read_bytes() == once
    finally:
        os.umask(old)
    (tree / "lib/a.py").write_text("a = 2\n")
    assert build(kind, tree, read_facts(tree), EPOCH, elsewhere / "out").read_bytes() != once


def test_all_folders_of_ours_are_the_packages_so_that_none_is_left(tmp_path: Path) -> None:
    need("rpm2cpio")
    for found in (in_deb(packed("deb", tmp_path / "deb")), in_rpm(packed("rpm", tmp_path / "rpm"))):
        folders = {name for name, each in found.items() if not each.sha256}
        files = {name for name, each in found.items() if each.sha256}
        above = {str(parent) for name in files for parent in Path(name).parents if "ao-appliance" in str(parent)}
        assert above <= folders
        assert {each.mode for name, each in found.items() if name in folders} == {0o755}
        assert {name for name in files if found[name].mode == 0o755} == {"/usr/lib/ao-appliance/1.2.0rc1/bin/ao"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_holds_the_facts_of_its_release_and_is_a_plain_shells(kind: str, tmp_path: Path) -> None:
    of = read_facts(small_tree(tmp_path / "tree", "1.2.0rc1", schema=7))
    made = scripts(kind, of)
    assert made.keys() == PIECES[kind].keys()
    for name, text in made.items():
        assert "@" not in text.replace('"$@"', ""), name
        for shell in (["dash", "-n"], ["busybox", "sh", "-n"]):
            subprocess.run(shell, input=text, text=True, check=True)
    welcome = made["preinst" if kind == "deb" else "pre"]
    assert "--release '1.2.0rc1' --upgrades-from '0.1.0' --state-schema '7'" in welcome


def test_what_cannot_be_packed_leaves_what_was_there(tmp_path: Path) -> None:
    deb = packed("deb", tmp_path)
    before = deb.read_bytes()
    tree = tmp_path / "tree"
    of = read_facts(tree)
    (tree / "licences/NOTICES.md").unlink()
    with pytest.raises(BundleRefused, match="cannot be packed"):
        build("deb", tree, of, EPOCH, tmp_path / "out")
    assert deb.read_bytes() == before
    assert [each.name for each in (tmp_path / "out").iterdir()] == [deb.name]
