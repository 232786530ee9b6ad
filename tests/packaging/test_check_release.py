"""The check that an operator can do before the first installation, with what a host has: sh and OpenSSL."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bundle.places import ROOT
from licensing.trust import pin
from tests.licensing.documents import THRESHOLDS, key, keys, release_members, signed, trust

SCRIPT = ROOT / "packaging/bundle/check-release.sh"
CONTENT = b"#!/bin/sh\nexit 0\n"
NAME = "ao-appliance-0.2.1-linux-x86_64.run"
BOTH = ("release-1", "release-2")


def members(**changes: Any) -> dict[str, Any]:
    listed = release_members()["artefacts"]
    digest = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    return release_members(artefacts=[{**listed[0], "size": len(CONTENT), "sha256": digest}, listed[1]]) | changes


def trust_file(**changes: Any) -> bytes:
    return signed("trust", trust(**changes).to_bytes(), *keys("root-1", "root-2"))


def check(
    folder: Path, *, release: bytes, content: bytes = CONTENT, believed: bytes | None = None, name: str = NAME
) -> subprocess.CompletedProcess[str]:
    (folder / "trust.json").write_bytes(believed or trust_file())
    (folder / "release.json").write_bytes(release)
    (folder / name).write_bytes(content)
    command = ["dash", str(SCRIPT), "trust.json", "release.json", name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_file_of_the_release_passes_and_the_digest_to_compare_is_told(tmp_path: Path) -> None:
    done = check(tmp_path, release=signed("release", members(), *keys(*BOTH)))
    assert done.returncode == 0, done.stderr
    assert f"{NAME} is that of release 0.2.1, signed by 2 of 2." in done.stdout
    assert pin((tmp_path / "trust.json").read_bytes()).digest in done.stdout


@pytest.mark.parametrize("name", ["ao-appliance_0.2.1_amd64.deb", "ao-appliance-0.2.1-1.x86_64.rpm"])
def test_packages_of_the_release_pass_as_well(tmp_path: Path, name: str) -> None:
    first, second = members()["artefacts"]
    release = signed("release", members(artefacts=[first, {**first, "file": name}, second]), *keys(*BOTH))
    done = check(tmp_path, release=release, name=name)
    assert done.returncode == 0, done.stderr
    assert f"{name} is that of release 0.2.1, signed by 2 of 2." in done.stdout
    assert "has the SHA-256" in check(tmp_path, release=release, name=name, content=b"other").stderr


@pytest.mark.parametrize(
    ("signers", "told"),
    [
        (("release-1",), "1 of the 2 signatures"),
        (("release-1", "release-1"), "1 of the 2 signatures"),
        (("release-1", "root-1"), "1 of the 2 signatures"),
        (("thief", "stranger"), "0 of the 2 signatures"),
    ],
)
def test_too_few_or_other_signers_are_not_enough(tmp_path: Path, signers: tuple[str, ...], told: str) -> None:
    done = check(tmp_path, release=signed("release", members(), *keys(*signers)))
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_another_file_another_name_another_kind_are_refused(tmp_path: Path) -> None:
    good = signed("release", members(), *keys(*BOTH))
    for changes, told in (
        ({"release": good, "content": CONTENT + b"\n"}, "has the SHA-256"),
        ({"release": good, "name": "other.run"}, "does not list other.run"),
        ({"release": signed("time", members(), *keys(*BOTH))}, "is not a release"),
        ({"release": b"{}"}, "is not a signed document"),
        ({"release": good.replace(b'"payload":"', b'"payload":"A')}, "NOT to be installed"),
    ):
        done = check(tmp_path, **changes)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert told in done.stderr


def test_a_revoked_key_does_not_count(tmp_path: Path) -> None:
    thresholds = {**THRESHOLDS, "release": 1}
    anybody, without = (trust_file(thresholds=thresholds, revoked_keys=revoked) for revoked in ((), ("release-2",)))
    release = signed("release", members(), key("release-2"))
    assert check(tmp_path, release=release, believed=anybody).returncode == 0
    assert "0 of the 1 signatures" in check(tmp_path, release=release, believed=without).stderr
