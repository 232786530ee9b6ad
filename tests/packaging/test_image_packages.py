"""Debian's packages as an image takes them: by hash, by name, and nothing but the files that are pinned."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from image.errors import PackageUnavailable
from image.packages import packages, shared_libraries, text_of
from image.pins import Package, read_image_pins

LIBC = read_image_pins().packages[0]
PACKAGE = replace(LIBC, files=("libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"))


def deb(files: dict[str, bytes], *, name: str = "data.tar.xz") -> bytes:
    """An ar archive as dpkg-deb makes it; the control part has an odd length, and so a byte of padding after it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", name: packed.getvalue()}
    found = b"!<arch>\n"
    for part, content in parts.items():
        found += f"{part:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        found += b"\n" if len(content) % 2 else b""
    return found


FILES = {
    "./lib/x86_64-linux-gnu/libc.so.6": b"the c library",
    "./lib/x86_64-linux-gnu/libm.so.6": b"mathematics",
    "./lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": b"the loader",
    "./lib/x86_64-linux-gnu/libnsl.so.1": b"nobody loads it",
    "./usr/share/libc.so.6": b"of the same name elsewhere",
    "./usr/share/doc/libc6/copyright": b"terms",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "libc6.deb").write_bytes(deb(FILES))
    return tmp_path / "libc6.deb"


def test_only_the_pinned_files_are_taken_and_only_from_where_libraries_lie(file: Path) -> None:
    assert shared_libraries(PACKAGE, file) == {
        "libc.so.6": b"the c library",
        "libm.so.6": b"mathematics",
        "ld-linux-x86-64.so.2": b"the loader",
    }


def test_one_text_is_read_by_its_whole_name(file: Path) -> None:
    assert text_of(file, "usr/share/doc/libc6/copyright") == b"terms"
    with pytest.raises(PackageUnavailable, match="lacks usr/share/doc/libc6/more"):
        text_of(file, "usr/share/doc/libc6/more")


def test_a_package_that_lacks_a_pinned_file_is_refused(file: Path) -> None:
    lacking = replace(PACKAGE, files=(*PACKAGE.files, "libutil.so.1"))
    with pytest.raises(PackageUnavailable, match=r"lacks libutil\.so\.1"):
        shared_libraries(lacking, file)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"!<arch>\n", deb(FILES, name="data.tar.zst")])
def test_what_is_no_package_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.deb").write_bytes(content)
    with pytest.raises(PackageUnavailable):
        shared_libraries(PACKAGE, tmp_path / "x.deb")


def test_what_is_kept_with_the_right_hash_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no apt in this test's path: whoever asks for it ends with an error."""
    monkeypatch.setenv("PATH", str(tmp_path))
    content = deb(FILES)
    kept: Package = replace(LIBC, sha256={"x86_64": hashlib.sha256(content).hexdigest()})
    pins = replace(read_image_pins(), packages=(kept,))
    target = tmp_path / f"{kept.name}_{kept.sha256['x86_64']}.deb"
    target.write_bytes(content)
    assert packages(pins, "x86_64", tmp_path) == [(kept, target)]
    target.write_bytes(content + b"changed")
    with pytest.raises(FileNotFoundError, match="apt-get"):
        packages(pins, "x86_64", tmp_path)
