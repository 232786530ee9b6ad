"""Every gate lets a sound release through, and stops one that was spoilt in the way that it is there for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bundle import gates, manifest
from bundle.elf import demands
from bundle.errors import BundleRefused, GateClosed
from bundle.licences import chosen
from tests.packaging.small_tree import BUILDER, compiled, elf, looked, small_tree, write

Spoil = Callable[[Path], object]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


def refused(tree: Path, arch: str = "x86_64") -> str:
    """What the gates find once MANIFEST tells of the spoilt tree as well."""
    manifest.write(tree)
    with pytest.raises(GateClosed) as closed:
        gates.pass_gates(looked(tree, arch))
    return "\n".join(closed.value.findings)


def test_a_sound_release_passes(tree: Path) -> None:
    gates.pass_gates(looked(tree))


def test_every_gate_is_tried() -> None:
    tried = {"glibc_floor", "page_size", "nothing_of_the_vendors", "no_private_path", "licence_texts"}
    assert {gate.__name__ for gate in gates.GATES} == {*tried, "bill_of_materials", "manifest_is_true", "dependencies"}


def test_a_file_that_needs_a_newer_c_library_is_stopped(tree: Path, tmp_path: Path) -> None:
    # arc4random came with glibc 2.36.
    data = compiled(tmp_path, "unsigned arc4random(void); unsigned f(void) { return arc4random(); }")
    file = write(tree, "lib/part/newer.so", data)
    assert demands(file).glibc == (2, 36)
    assert "lib/part/newer.so: needs GLIBC_2.36" in refused(tree)


def test_what_an_old_c_library_has_passes(tree: Path, tmp_path: Path) -> None:
    data = compiled(tmp_path, "#include <stdlib.h>\nvoid *f(void) { return malloc(1); }")
    file = write(tree, "lib/part/older.so", data)
    assert (2,) < demands(file).glibc <= (2, 28)
    manifest.write(tree)
    gates.pass_gates(looked(tree))


def test_a_file_that_needs_a_library_of_the_hosts_is_stopped(tree: Path, tmp_path: Path) -> None:
    write(tree, "lib/part/needs.so", compiled(tmp_path, "int f;", "-Wl,--no-as-needed", "-Wl,-soname,x", "-lz"))
    assert "lib/part/needs.so: needs libz.so.1, which a host need not have" in refused(tree)


def test_a_file_for_another_machine_is_stopped(tree: Path) -> None:
    write(tree, "lib/part/other.so", elf("aarch64", 65536))
    assert "lib/part/other.so: is for aarch64, the release for x86_64" in refused(tree)


def test_a_file_that_only_begins_like_one_is_stopped(tree: Path) -> None:
    write(tree, "lib/part/broken.so", b"\x7fELF\x02\x01")
    assert "lib/part/broken.so: not a sound ELF file" in refused(tree)


@pytest.mark.parametrize("alignment", [4096, 16384, 65535])
def test_on_aarch64_an_alignment_below_64_kib_is_stopped(tree: Path, alignment: int) -> None:
    write(tree, "lib/part/fast.so", elf("aarch64", alignment))
    assert f"lib/part/fast.so: a LOAD segment is aligned to {alignment} bytes" in refused(tree, "aarch64")


def test_on_aarch64_64_kib_and_more_pass(tree: Path) -> None:
    write(tree, "lib/part/fast.so", elf("aarch64", 65536))
    write(tree, "lib/part/faster.so", elf("aarch64", 2**21))
    manifest.write(tree)
    gates.pass_gates(looked(tree, "aarch64"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lib/licensing/vendor/sign.txt", "lib/licensing/vendor"),
        ("docs/licensing/vendor/RECONCILING.md", "docs/licensing/vendor/RECONCILING.md"),
        ("lib/ao_vendor-0.1.0.dist-info/METADATA", "lib/ao_vendor-0.1.0.dist-info"),
        ("bin/ao-vendor", "bin/ao-vendor"),
    ],
)
def test_anything_of_the_vendors_is_stopped(tree: Path, name: str, told: str) -> None:
    write(tree, name, "Name: ao-vendor\nVersion: 1\n")
    assert f"{told}: the vendor's" in refused(tree)


def test_what_others_call_vendor_is_not_the_vendors(tree: Path) -> None:
    write(tree, "lib/part/vendor/licence.txt", "x")
    manifest.write(tree)
    gates.pass_gates(looked(tree))


@pytest.mark.parametrize("name", ["lib/part/notes.txt", "runtime/bin/python3", "facts.json"])
def test_a_file_that_names_a_folder_of_the_builder_is_stopped(tree: Path, name: str) -> None:
    write(tree, name, b"\x00\xff" + BUILDER.encode() + b"/src/x.c\x00")
    assert f"{name}: names {BUILDER}" in refused(tree)


@pytest.mark.parametrize("name", ["licences/part/LICENSE", "licences/zlib/LICENSE"])
@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_text("")], ids=["missing", "empty"])
def test_a_part_without_the_text_of_its_licence_is_stopped(tree: Path, name: str, spoil: Spoil) -> None:
    spoil(tree / name)
    assert f"{name.split('/')[1]}: no text of its licence" in refused(tree)


def test_what_is_compiled_into_a_part_needs_the_text_of_its_licence_too(tree: Path) -> None:
    (tree / "licences/spdx/MIT.txt").unlink()
    assert "part: crate is under MIT" in refused(tree)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tree: (tree / "sbom.cdx.json").unlink(),
        lambda tree: (tree / "sbom.cdx.json").write_text('{"components": [{"name": "part", "version": "1.1"}]}'),
    ],
    ids=["no bill", "another version"],
)
def test_a_part_that_the_bill_does_not_list_is_stopped(tree: Path, spoil: Spoil) -> None:
    spoil(tree)
    assert "part 1.0: not in sbom.cdx.json" in refused(tree)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tree: write(tree, "lib/part/__init__.py", "ANSWER = 43\n"),
        lambda tree: write(tree, "more", ""),
        lambda tree: (tree / "bin/ao").unlink(),
        lambda tree: (tree / "MANIFEST").unlink(),
    ],
    ids=["changed", "added", "gone", "no list"],
)
def test_a_manifest_that_is_not_that_of_the_tree_is_stopped(tree: Path, spoil: Spoil) -> None:
    spoil(tree)
    with pytest.raises(GateClosed, match="MANIFEST is not that of this tree"):
        gates.pass_gates(looked(tree))


def test_a_module_without_bytecode_or_with_one_that_looks_at_dates_is_stopped(tree: Path) -> None:
    write(tree, "lib/part/bare.py", "")
    write(tree, "lib/part/dated.py", "")
    write(tree, "lib/part/__pycache__/dated.cpython-313.pyc", b"\xf3\r\r\n" + bytes(12))
    found = refused(tree)
    assert "lib/part/bare.py: has no bytecode" in found
    assert "lib/part/dated.py: its bytecode would be checked against the source's date" in found


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("absent>=1", "absent>=1: not in lib/"),
        ("part>=2", "part>=2: lib/ has 1.0"),
        ("part>=1", None),
        ("absent; extra == 'more'", None),
    ],
)
def test_what_the_appliance_asks_for_must_be_there(tree: Path, asked: str, told: str | None) -> None:
    metadata = f"Name: ao-appliance\nVersion: 1.0\nRequires-Dist: {asked}\n"
    write(tree, "lib/ao_appliance-1.0.dist-info/METADATA", metadata)
    write(tree, "licences/ao-appliance/LICENCE", "x")
    manifest.write(tree)
    if told is None:
        gates.pass_gates(looked(tree))
    else:
        assert told in refused(tree)


def test_a_link_is_no_part_of_a_release(tree: Path) -> None:
    (tree / "bin/link").symlink_to("ao")
    with pytest.raises(BundleRefused, match="bin/link is neither a file nor a folder"):
        manifest.write(tree)


@pytest.mark.parametrize(
    ("expression", "licences"),
    [
        ("MIT OR Apache-2.0", {"MIT"}),
        ("Apache-2.0 OR GPL-2.0-only", {"Apache-2.0"}),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", {"MIT", "Unicode-3.0"}),
        ("Apache-2.0 WITH LLVM-exception", {"Apache-2.0", "LLVM-exception"}),
        ("Apache-2.0 WITH LLVM-exception OR MIT", {"MIT"}),
        ("GPL-3.0-only", {"GPL-3.0-only"}),
    ],
)
def test_of_licences_that_are_offered_one_is_taken(expression: str, licences: set[str]) -> None:
    assert chosen(expression) == licences
