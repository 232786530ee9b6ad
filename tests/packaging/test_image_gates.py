"""Every gate of the image lets a sound one through, and stops one that was spoilt in the way that it is there for."""

from __future__ import annotations

import json
import subprocess
import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from image import gates
from image.archive import open_image
from image.errors import ImageClosed
from image.layout import AUTHORITIES, DOCUMENTS, HOME, LOADER, STATE, Entry
from tests.packaging.small_image import Spoil, added, changed, looked, small_image, untouched, with_pins, without
from tests.packaging.small_tree import BUILDER, FACTS, compiled, elf

LIBC = "lib/x86_64-linux-gnu/libc.so.6"


def found(of: gates.Looked) -> str:
    with pytest.raises(ImageClosed) as closed:
        gates.pass_gates(of)
    return "\n".join(closed.value.findings)


def test_a_sound_image_passes_on_either_machine(tmp_path: Path) -> None:
    for arch in ("x86_64", "aarch64"):
        facts = replace(FACTS, arch=arch)
        gates.pass_gates(looked(small_image(tmp_path / arch, facts=facts), facts))


def test_the_same_tree_gives_the_same_image(tmp_path: Path) -> None:
    once, again = small_image(tmp_path / "once"), small_image(tmp_path / "again")
    assert once.digest == again.digest
    assert once.file.read_bytes() == again.file.read_bytes()


SPOILT: dict[str, tuple[Spoil, str]] = {
    "a shell": (added(Entry("bin/sh", content=b"x")), "bin/sh: a shell or a tool"),
    "a package manager": (added(Entry("usr/bin/apt-get", content=b"x")), "usr/bin/apt-get: a shell or a tool"),
    "a command for a shell": (
        changed("usr/bin/ao", content=b"#!/bin/sh\nexec x\n"),
        "usr/bin/ao: not started by the release's own Python",
    ),
    "set-user-id": (changed("usr/bin/ao", mode=0o4755), "usr/bin/ao: mode 4755"),
    "writable by everybody": (changed("etc/ao/settings.toml", mode=0o666), "etc/ao/settings.toml: mode 0666"),
    "a folder with a sticky bit": (added(Entry("tmp", 0o1777)), "tmp: mode 1777"),
    "a file of the user's": (changed(f"{HOME}/facts.json", owner=10001), f"{HOME}/facts.json: belongs to 10001"),
    "a state of root's": (changed(STATE, owner=0), f"{STATE}: belongs to 0:0"),
    "a link elsewhere": (changed(AUTHORITIES, link="/tmp"), f"{AUTHORITIES}: a link that nobody expects"),
    "another link": (added(Entry("etc/more", 0o777, link="/")), "etc/more: a link that nobody expects"),
    "a second user": (
        changed("etc/passwd", content=b"root:x:0:0::/:/\nao:x:10001:10001::/:/\n"),
        "etc/passwd: more or other users than the one",
    ),
    "a folder of the builder": (
        changed("etc/nsswitch.conf", content=BUILDER.encode()),
        f"etc/nsswitch.conf: names {BUILDER}",
    ),
    "no loader": (without(LOADER["x86_64"]), "nothing can be started without it"),
    "a library for another machine": (
        changed(LIBC, content=elf("aarch64", 65536)),
        f"{LIBC}: is for aarch64, the image for x86_64",
    ),
    "no bill": (without(f"{DOCUMENTS}/sbom.cdx.json"), "not in the bill of materials"),
    "a changed release": (changed(f"{HOME}/lib/part/__init__.py", content=b"x", source=None), "is not the one of its"),
    "a release without a file": (without(f"{HOME}/lib/part/__init__.py"), "is not the one of its MANIFEST"),
    "more in the release": (added(Entry(f"{HOME}/more", content=b"x")), "is not the one of its MANIFEST"),
    "a file in both layers": (added(Entry(f"{HOME}/facts.json", content=b"x")), f"{HOME}/facts.json: there twice"),
}


@pytest.mark.parametrize(("spoil", "told"), SPOILT.values(), ids=SPOILT)
def test_a_spoilt_image_is_stopped(tmp_path: Path, spoil: Spoil, told: str) -> None:
    assert told in found(looked(small_image(tmp_path / "image", spoil)))


def test_a_program_beside_the_releases_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "of.c").write_text("int main(void) { return 0; }")
    data = _program(tmp_path)
    assert "usr/bin/more: a program beside" in found(
        looked(small_image(tmp_path / "image", added(Entry("usr/bin/more", 0o755, content=data))))
    )


def _program(folder: Path) -> bytes:
    subprocess.run(["gcc", "-o", "of", "of.c"], cwd=folder, check=True)
    return (folder / "of").read_bytes()


def test_a_library_that_is_not_there_or_too_old_is_stopped(tmp_path: Path) -> None:
    """A real one of this machine asks for a real libc, and finds in the small image one that has no versions at all."""
    data = compiled(tmp_path, "#include <stdlib.h>\nvoid *f(void) { return malloc(1); }", "-Wl,--no-as-needed", "-lm")
    told = found(
        looked(small_image(tmp_path / "image", added(Entry("lib/x86_64-linux-gnu/a.so", 0o644, content=data))))
    )
    assert "a.so: needs libm.so.6, which is not in the image" in told
    assert "a.so: needs GLIBC_2.2.5 of libc.so.6, which the image's has not" in told


def test_small_alignment_is_stopped_on_aarch64_alone(tmp_path: Path) -> None:
    facts = replace(FACTS, arch="aarch64")
    small = changed("lib/aarch64-linux-gnu/libc.so.6", content=elf("aarch64", 4096))
    assert "aligned for pages smaller than 64 KiB" in found(
        looked(small_image(tmp_path / "a", small, facts=facts), facts)
    )


def test_a_package_without_the_text_of_its_licence_is_stopped(tmp_path: Path) -> None:
    of = with_pins(looked(small_image(tmp_path / "image")), lambda each: replace(each, component=f"{each.component}-x"))
    assert "libc6: no text of its licence" in found(of)


@pytest.mark.parametrize(
    ("member", "value", "told"),
    [
        ("User", "0:0", "the config's user is '0:0'"),
        ("User", "ao", "the config's user is 'ao'"),
        ("Entrypoint", ["/bin/sh"], "starts something else"),
        ("Volumes", {"/var/lib/ao": {}}, "declares a volume"),
    ],
)
def test_a_config_that_says_otherwise_is_stopped(tmp_path: Path, member: str, value: object, told: str) -> None:
    of = looked(small_image(tmp_path / "image"))
    of.image.config["config"][member] = value
    assert told in found(of)


def test_an_image_for_another_machine_than_it_says_is_stopped(tmp_path: Path) -> None:
    of = looked(small_image(tmp_path / "image"))
    of.image.config["architecture"] = "arm64"
    assert "the config is for linux/arm64" in found(of)


def test_every_gate_is_tried() -> None:
    tried = {"no_shell", "nothing_beyond_a_user", "the_user_is_none_of_the_nodes", "no_private_path"}
    assert {gate.__name__ for gate in gates.GATES} == {*tried, "everything_loads", "papers_are_there"}


def test_a_changed_blob_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    image = small_image(tmp_path / "image", untouched)
    with tarfile.open(image.file) as archive:
        content = {each.name: archive.extractfile(each) for each in archive if each.isreg()}
        files = {name: stream.read() for name, stream in content.items() if stream is not None}
    for name in [each for each in files if each.startswith("blobs/")]:
        spoilt = tmp_path / "spoilt.tar"
        with tarfile.open(spoilt, "w") as archive:
            for each, data in files.items():
                changed_data = data[:-1] + bytes([data[-1] ^ 1]) if each == name else data
                member = tarfile.TarInfo(each)
                member.size = len(changed_data)
                archive.addfile(member, BytesIO(changed_data))
        with pytest.raises(ImageClosed, match="not what its name says"):
            open_image(spoilt)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
