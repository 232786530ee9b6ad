"""The image of the release: what is in it, byte for byte the delivery's, and nothing that an image must not have."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from appliance.settings import Settings
from bundle.manifest import ordered
from image.layout import DOCUMENTS, HOME, SETTINGS, STATE, USER
from image.oci import name_of
from image.pins import read_image_pins
from licensing.version import BUILD_TIME
from runtime.cache import sha256_of
from tests.packaging.made import MadeImage, made, made_image, runtime_is_kept

pytestmark = pytest.mark.real


def test_it_holds_the_release_that_the_carried_file_holds_byte_for_byte(
    image_of_release: MadeImage, tmp_path: Path
) -> None:
    unpacked = tmp_path / "carried"
    subprocess.run(
        ["sh", str(image_of_release.of.run_file), "--extract", str(unpacked)], check=True, capture_output=True
    )
    carried = {path.relative_to(unpacked).as_posix(): sha256_of(path) for path in ordered(unpacked) if path.is_file()}
    within = {
        each.path.removeprefix(f"{HOME}/"): each.digest
        for each in image_of_release.opened.members()
        if each.kind == "file" and each.path.startswith(f"{HOME}/")
    }
    assert within == carried
    assert len(within) > 1000


def test_beside_the_release_there_is_only_what_is_on_this_list(image_of_release: MadeImage) -> None:
    """A file that comes to it is looked at by a person first."""
    beside = sorted(
        each.path
        for each in image_of_release.opened.members()
        if each.kind != "folder" and not each.path.startswith(f"{HOME}/") and not each.path.startswith(f"{DOCUMENTS}/")
    )
    arch = image_of_release.of.facts.arch
    loader = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}[arch]
    libraries = (
        "libc.so.6",
        "libdl.so.2",
        "libgcc_s.so.1",
        "libm.so.6",
        "libpthread.so.0",
        "librt.so.1",
        "libutil.so.1",
    )
    assert beside == sorted(
        [
            *("etc/ao/settings.toml", "etc/group", "etc/nsswitch.conf", "etc/passwd", "etc/ssl/cert.pem"),
            *(f"lib/{arch}-linux-gnu/{each}" for each in libraries),
            *(loader, "usr/bin/ao"),
        ]
    )


def test_every_digest_in_it_is_true_and_the_one_to_pin_is_the_manifests(image_of_release: MadeImage) -> None:
    """Opening it has held every blob against its name already."""
    index = image_of_release.opened.index
    assert [each["mediaType"] for each in index["manifests"]] == ["application/vnd.oci.image.manifest.v1+json"]
    with tarfile.open(image_of_release.file) as archive:
        names = archive.getnames()
        blob = archive.extractfile(f"blobs/sha256/{image_of_release.opened.digest.removeprefix('sha256:')}")
        assert blob is not None
        assert f"sha256:{hashlib.sha256(blob.read()).hexdigest()}" == image_of_release.opened.digest
    assert names[:4] == ["blobs", "blobs/sha256", "index.json", "oci-layout"]
    assert len(names) == 2 + 2 + 2 + 2


def test_what_starts_is_the_command_as_a_user_who_is_nobody_else(image_of_release: MadeImage) -> None:
    config = image_of_release.opened.config
    said = config["config"]
    assert (said["User"], said["Entrypoint"], said["Cmd"]) == (f"{USER}:{USER}", ["/usr/bin/ao"], ["serve", "--wait"])
    assert (said["StopSignal"], said["WorkingDir"]) == ("SIGTERM", f"/{STATE}")
    assert "Volumes" not in said
    assert config["created"] == BUILD_TIME.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert image_of_release.file.name == name_of(image_of_release.of.facts)


def test_all_is_roots_but_one_empty_folder_for_the_state(image_of_release: MadeImage) -> None:
    members = image_of_release.opened.members()
    others = [(each.path, each.mode, each.owner) for each in members if each.owner != 0 or each.group != 0]
    assert others == [(STATE, 0o700, USER)]
    assert not [each.path for each in members if each.path.startswith(f"{STATE}/")]
    assert not [each.path for each in members if each.kind != "link" and each.mode & 0o7022]


def test_its_settings_keep_the_state_in_a_folder_of_its_own_within_the_volume(image_of_release: MadeImage) -> None:
    """The volume's own folder may be the group's, as a cluster makes it: the state's is the gateway's alone."""
    settings = Settings.model_validate(tomllib.loads(image_of_release.opened.read(SETTINGS).decode()))
    assert settings.state_dir.parent == Path("/", STATE)
    assert f"AO_STATE_DIR={settings.state_dir}" in image_of_release.opened.config["config"]["Env"]
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)


def test_its_bill_of_materials_adds_the_c_library_to_the_releases(image_of_release: MadeImage) -> None:
    text = image_of_release.opened.read(f"{DOCUMENTS}/sbom.cdx.json").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = {each["name"]: each for each in json.loads(text)["components"]}
    release = json.loads((image_of_release.of.tree / "sbom.cdx.json").read_text())["components"]
    packages = read_image_pins().packages
    assert set(listed) == {each["name"] for each in release} | {each.name for each in packages}
    for each in packages:
        assert listed[each.name]["version"] == each.version
        assert listed[each.name]["hashes"][0]["content"] == each.sha256[image_of_release.of.facts.arch]
    notices = image_of_release.opened.read(f"{DOCUMENTS}/NOTICES.md").decode()
    assert all(f"| {each.name} | {each.version} |" in notices for each in packages)


@pytest.mark.timeout(900)
@pytest.mark.skipif(not os.environ.get("AO_TEST_AARCH64"), reason="emulation is slow: make test-release-aarch64")
@pytest.mark.parametrize("page", [4096, 65536], ids=["4 KiB", "64 KiB"])
def test_on_aarch64_its_own_c_library_carries_what_is_compiled(page: int, tmp_path: Path) -> None:
    if (emulator := shutil.which("qemu-aarch64-static")) is None or not runtime_is_kept("aarch64"):
        pytest.skip("qemu-user-static or a runtime for aarch64 is not here")
    made_image(made("aarch64")).opened.unpack(tmp_path)
    code = (
        "import ssl, sqlite3, granian, httptools, nacl.bindings, msgspec, uvloop, platform, resource, re\n"
        "import cryptography.hazmat.bindings._rust\n"
        "loaded = set(re.findall(r'(\\S+)/lib(?:c|m|gcc_s)\\.so', open('/proc/self/maps').read()))\n"
        "print(platform.machine(), resource.getpagesize(), *loaded)"
    )
    python = tmp_path / "opt/ao/release/runtime/bin/python3"
    words = [emulator, "-p", str(page), "-L", str(tmp_path), str(python), "-I", "-B", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["aarch64", str(page), f"{tmp_path}/lib/aarch64-linux-gnu"]
