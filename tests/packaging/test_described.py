"""One description of all that is delivered: what each command made stands in it, is signed, and can be checked."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.errors import BundleRefused
from bundle.places import ROOT
from bundle.release import NAME, describe, describe_too
from bundle.run_file import name_of as run_name
from image.chart import pack_chart
from runtime.cache import sha256_of
from tests.packaging.small_image import small_image
from tests.packaging.small_tree import FACTS
from tests.real.site_and_vendor import Vendor

CHART = ROOT / "packaging/chart"
CHECK = ROOT / "packaging/bundle/check-release.sh"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A made-up .run, told of as `make bundle` does."""
    (tmp_path / run_name(FACTS)).write_bytes(b"#!/bin/sh\n")
    describe(tmp_path, [FACTS], [tmp_path / run_name(FACTS)])
    return tmp_path


def with_image(dist: Path) -> list[Path]:
    image = small_image(dist)
    files = [image.file, pack_chart(CHART, FACTS, image.digest, 1_700_000_000, dist)]
    describe_too(dist, [FACTS, FACTS], files)
    return files


def told(dist: Path) -> dict[str, str]:
    return {each["file"]: each["sha256"] for each in json.loads((dist / NAME).read_text())["artefacts"]}


def test_image_and_chart_stand_beside_the_carried_file(dist: Path) -> None:
    files = [dist / run_name(FACTS), *with_image(dist)]
    assert told(dist) == {each.name: sha256_of(each) for each in files}


def test_made_again_they_are_told_once_and_as_they_are_now(dist: Path) -> None:
    files = with_image(dist)
    files[0].write_bytes(b"another")
    describe_too(dist, [FACTS, FACTS], files)
    assert len(told(dist)) == 3
    assert told(dist)[files[0].name] == sha256_of(files[0])


def test_without_a_bundle_they_are_told_alone(tmp_path: Path) -> None:
    assert set(told_of(tmp_path)) == {each.name for each in tmp_path.glob("ao-appliance-*")}


def told_of(folder: Path) -> dict[str, str]:
    with_image(folder)
    return told(folder)


def test_what_another_release_tells_stays_as_it_was(dist: Path) -> None:
    before = (dist / NAME).read_bytes()
    newer = replace(FACTS, version="9.9.0")
    file = dist / "of-the-newer"
    file.write_bytes(b"x")
    with pytest.raises(BundleRefused, match="of another release"):
        describe_too(dist, [newer], [file])
    assert (dist / NAME).read_bytes() == before


def test_an_operator_checks_image_and_chart_by_the_vendors_signature(dist: Path, tmp_path: Path) -> None:
    files = with_image(dist)
    vendor = Vendor.made(tmp_path / "vendor")
    vendor.command("release", "sign", str(dist / NAME), "--out", str(dist / "release.json"))
    for file in files:
        words = ["sh", str(CHECK), str(vendor.trust_file), "release.json", file.name]
        done = subprocess.run(words, cwd=dist, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"{file.name} is that of release {FACTS.version}" in done.stdout
    files[0].write_bytes(files[0].read_bytes() + b"\0")
    changed = ["sh", str(CHECK), str(vendor.trust_file), "release.json", files[0].name]
    assert subprocess.run(changed, cwd=dist, capture_output=True, check=False).returncode == 1
