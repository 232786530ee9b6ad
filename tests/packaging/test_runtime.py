"""What the runtime is made of is pinned, checked, and bears no name of where it was made."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from bundle.places import Places
from bundle.tree import is_own, native_python
from runtime import build, commands, fetch, profile
from runtime.cache import own_archive, prebuilt, sha256_of
from runtime.errors import ArchiveChanged, RuntimeUnavailable, ToolMissing
from runtime.pins import INPUTS, PINS, PROFILE, Archive, Pins, inputs_key, read_pins
from runtime.recipes import PREFIX, Workshop, counting, environment, recipe, tuned_by, wrapper
from runtime.unpack import unpack, without_folder

FOLDER = "/tmp/bundle"


def archive(folder: Path, files: dict[str, bytes]) -> Path:
    plain = folder / "runtime.tar"
    with tarfile.open(plain, "w") as members:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"python/{name}")
            entry.size, entry.mode = len(content), 0o755 if name.startswith("bin/") else 0o600
            members.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.13"
        members.addfile(link)
    subprocess.run(["zstd", "-q", "--rm", str(plain), "-o", str(folder / "runtime.tar.zst")], check=True)
    return folder / "runtime.tar.zst"


def pins_with(found: Archive) -> Pins:
    return Pins("3.13.5", "0", "0" * 64, 0, "trixie", (), {"x86_64": found})


def test_every_source_is_pinned_by_its_hash() -> None:
    pins = read_pins()
    assert {each.name for each in pins.sources} == {"zlib", "libffi", "openssl", "sqlite", "cpython"}
    assert all(len(each.sha256) == 64 for each in pins.sources)
    assert all(len(each.sha256) == 64 for each in pins.prebuilt.values())
    assert len(pins.zig_sha256) == 64
    assert set(pins.prebuilt) == {"x86_64", "aarch64"}


def test_it_unpacks_without_links_dates_or_the_builders_folder(tmp_path: Path) -> None:
    inside = b"\x7fELF" + FOLDER.encode() + b"/lib/ossl-modules\x00tail"
    files = {"bin/python3.13": inside, "lib/python3.13/os.py": b"", "lib/python3.13/__pycache__/os.pyc": b"x"}
    unpack(archive(tmp_path, files), tmp_path / "out", built_in=FOLDER)
    out = tmp_path / "out"
    assert sorted(str(each.relative_to(out)) for each in out.rglob("*") if each.is_file()) == [
        "bin/python3",
        "lib/python3.13/os.py",
    ]
    assert not any(each.is_symlink() for each in out.rglob("*"))
    assert (out / "bin/python3").read_bytes() == b"\x7fELF/nonexist///lib/ossl-modules\x00tail"
    assert (out / "bin/python3").stat().st_mode & 0o777 == 0o755


def test_a_folders_name_is_replaced_byte_for_byte() -> None:
    data = b"a/tmp/bundle/zb\x00/tmp/bundle"
    clean = without_folder(data, FOLDER.encode())
    assert len(clean) == len(data)
    assert FOLDER.encode() not in clean
    with pytest.raises(RuntimeUnavailable):
        without_folder(data, b"/tmp")


def test_a_damaged_archive_is_no_runtime(tmp_path: Path) -> None:
    file = archive(tmp_path, {"bin/python3.13": b"x" * 100_000})
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RuntimeUnavailable, match="damaged"):
        unpack(file, tmp_path / "out", built_in=None)


def test_an_archive_is_taken_only_when_it_is_the_pinned_one(tmp_path: Path) -> None:
    file = tmp_path / "second" / "runtime.tar.zst"
    file.parent.mkdir()
    file.write_bytes(b"content")
    pinned = Archive(file.name, sha256_of(file), FOLDER)
    folders = (tmp_path / "first", file.parent)
    assert prebuilt(pins_with(pinned), "x86_64", folders) == (file, pinned)
    assert prebuilt(pins_with(pinned), "aarch64", folders) is None
    assert prebuilt(pins_with(pinned), "x86_64", folders[:1]) is None
    file.write_bytes(b"Content")
    with pytest.raises(ArchiveChanged, match="the pins name"):
        prebuilt(pins_with(pinned), "x86_64", folders)


def test_our_own_build_is_kept_under_what_went_into_it(tmp_path: Path) -> None:
    assert inputs_key() in own_archive("x86_64", tmp_path).name
    changed = tmp_path / "pins.json"
    text = json.loads(PINS.read_text())
    changed.write_text(json.dumps(text | {"python": "3.13.6"}))
    assert read_pins(changed).python == "3.13.6"


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_everything_is_compiled_for_the_oldest_c_library_and_linked_in(arch: str, tmp_path: Path) -> None:
    shop = Workshop(arch, tmp_path, Path("/zig"), 1, 0, Path("/native") if arch == "aarch64" else None)
    assert f"-target {arch}-linux-gnu.2.28" in wrapper(shop, "cc")
    assert "-target" not in wrapper(shop, "ar")
    words = [" ".join(command.arguments) for source in read_pins().sources for command in recipe(source.name, shop)]
    assert any("--openssldir=/etc/ssl" in each and "no-shared" in each and "no-module" in each for each in words)
    assert any("--with-build-python=/native" in each for each in words) == (arch == "aarch64")
    known = environment(shop, "/bin")
    assert known["SOURCE_DATE_EPOCH"] == "0"
    assert f"-ffile-prefix-map={tmp_path}=/nonexist" in known["CFLAGS"]
    assert "PYTHONPATH" not in known


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_the_interpreter_alone_is_compiled_by_the_profile_and_a_build_that_counts_by_none(
    arch: str, tmp_path: Path
) -> None:
    def words(shop: Workshop, name: str) -> str:
        return " ".join(word for command in recipe(name, shop) for word in command.arguments)

    native = Path("/native") if arch == "aarch64" else None
    tuned = Workshop(arch, tmp_path, Path("/zig"), 1, 0, native, tuned_by(Path("/counts")))
    assert f"CFLAGS={environment(tuned, '')['CFLAGS']} -fprofile-use=/counts" in words(tuned, "cpython")
    assert "profile" not in words(tuned, "openssl") + words(tuned, "sqlite")
    counts = Workshop(arch, tmp_path, Path("/zig"), 1, 0, native, counting(Path("/library.a")))
    assert "-fprofile-instr-generate" in words(counts, "cpython")
    assert "LDFLAGS=-s /library.a" in words(counts, "cpython")
    assert "-fprofile-use" not in words(counts, "cpython")


def test_the_profile_is_kept_with_the_sources_and_is_one_of_the_things_that_make_a_runtime() -> None:
    assert PROFILE.name in INPUTS
    assert PROFILE.read_bytes()[:8] == b"\xfflprofi\x81"


def test_our_own_build_goes_before_the_prebuilt_one(tmp_path: Path) -> None:
    where = Places(tmp_path, tmp_path / "cache", (tmp_path / "shared", tmp_path / "runtimes"))
    for name in ("shared", "runtimes"):
        (tmp_path / name).mkdir()
    given = archive(tmp_path / "shared", {"bin/python3.13": b"prebuilt", "lib/python3.13/os.py": b""})
    pins = pins_with(Archive(given.name, sha256_of(given), FOLDER))
    assert not is_own("x86_64", where)
    assert native_python(where, pins).read_bytes() == b"prebuilt"
    own = archive(tmp_path / "runtimes", {"bin/python3.13": b"our own", "lib/python3.13/os.py": b""})
    own.rename(own_archive("x86_64", own.parent))
    assert is_own("x86_64", where)
    assert not is_own("aarch64", where)
    assert native_python(where, pins).read_bytes() == b"our own"


@pytest.mark.parametrize(
    ("there", "package"), [((), "libclang-rt-19-dev"), ((profile.LIBRARY,), "llvm-19")], ids=["library", "merge"]
)
def test_counting_anew_says_which_package_it_lacks_before_it_builds(
    there: tuple[str, ...], package: str, tmp_path: Path
) -> None:
    for tool in there:
        (tmp_path / "llvm" / tool).parent.mkdir(parents=True)
        (tmp_path / "llvm" / tool).touch()
    said: list[str] = []
    with pytest.raises(ToolMissing, match=rf"\(package {package}\)"):
        profile.count_anew(
            read_pins(), tmp_path / "work", tmp_path, tmp_path / "old", 1, said.append, tmp_path / "llvm"
        )
    assert not said
    assert not (tmp_path / "work").exists()


def test_counts_that_cannot_be_added_up_leave_the_profile_as_it_was(tmp_path: Path) -> None:
    old, counts, tool = tmp_path / "old", tmp_path / "1.profraw", tmp_path / "llvm" / profile.MERGE
    old.write_bytes(b"profile")
    counts.write_bytes(b"counts")
    tool.parent.mkdir(parents=True)
    # As a full disk would have it: half of a file, and an exit code.
    tool.write_text('#!/bin/sh\nprintf half > "$4"\necho no space >&2\nexit 1\n')
    tool.chmod(0o755)
    with pytest.raises(RuntimeUnavailable, match="no space"):
        profile.merge([counts], old, tmp_path / "llvm")
    with pytest.raises(RuntimeUnavailable, match="no process"):
        profile.merge([], old, tmp_path / "llvm")
    assert old.read_bytes() == b"profile"
    tool.write_text('#!/bin/sh\nprintf new > "$4"\n')
    profile.merge([counts], old, tmp_path / "llvm")
    assert old.read_bytes() == b"new"


def test_a_source_that_is_kept_is_not_fetched_and_one_that_is_not_the_pinned_one_is(tmp_path: Path) -> None:
    file = tmp_path / "zlib.tar.gz"
    file.write_bytes(b"sources")
    text = json.loads(PINS.read_text())
    text["sources"] = [{**text["sources"][0], "file": file.name, "sha256": sha256_of(file)}]
    (tmp_path / "pins.json").write_text(json.dumps(text))
    pins = read_pins(tmp_path / "pins.json")
    assert fetch.sources(pins, tmp_path) == {"zlib": file}
    assert not (tmp_path / "apt").exists()


def test_an_archive_of_a_foreign_machine_names_neither_folder_that_it_was_built_with(tmp_path: Path) -> None:
    native = tmp_path / "a-native-python/bin/python3"
    shop = Workshop("aarch64", tmp_path / "workshop", Path("/zig"), 1, 0, native)
    installed = shop.folder / "out" / PREFIX.lstrip("/")
    said = f"--with-build-python={native} --prefix={shop.folder}/out\n"
    for name in ("bin/python3.13", "lib/python3.13/_sysconfigdata__linux_aarch64-linux-gnu.py"):
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).write_text(said)
    packed = build._pack(shop, tmp_path / "runtime.tar.zst")
    unpack(packed, tmp_path / "out", built_in=None)
    files = [each for each in (tmp_path / "out").rglob("*") if each.is_file()]
    assert len(files) == 2
    for file in files:
        assert str(tmp_path) not in file.read_text()
        assert len(file.read_text()) == len(said)


def test_a_build_for_another_machine_says_what_it_needs_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Python for this machine, of the same version: kept nowhere, it is to be built before."""
    monkeypatch.setattr(commands, "places", lambda *_: Places(tmp_path, tmp_path / "cache", (tmp_path / "runtimes",)))
    (other,) = {"x86_64", "aarch64"} - {os.uname().machine}
    assert commands.main(["build", "--arch", other]) == 1
    assert capsys.readouterr().err.endswith(f"python packaging/runtime build --arch {os.uname().machine}\n")
