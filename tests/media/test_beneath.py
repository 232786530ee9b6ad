"""Nothing that is looked up beneath a folder leads out of it; both ways of resolving agree on every path."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import beneath
from media.beneath import Beneath
from media.errors import MediaError, NotARegularFile, NotFound

PARTS = st.lists(
    st.sampled_from(["AO", "inner", "file", "link", "out", "up", "..", ".", "", "a/b", "nul\0"]), max_size=4
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    (root / "AO" / "inner").mkdir(parents=True)
    (root / "AO" / "inner" / "file").write_bytes(b"within")
    (root / "AO" / "link").symlink_to("inner")
    (root / "AO" / "out").symlink_to("/")
    (root / "AO" / "up").symlink_to("../..")
    return root


def read(root: Path, parts: list[str], *, kernel_resolves: bool) -> bytes | str:
    try:
        with Beneath.open(root, kernel_resolves=kernel_resolves) as opened:
            return opened.read(parts, limit=100)
    except MediaError as refusal:
        return refusal.code


@settings(max_examples=300)
@given(parts=PARTS.filter(bool))
def test_kernel_and_walk_answer_alike_and_only_with_what_is_within(tree: Path, parts: list[str]) -> None:
    answers = {read(tree, parts, kernel_resolves=each) for each in (True, False)}
    assert len(answers) == 1
    assert answers <= {b"within", "media_not_found", "media_not_regular"}
    assert (b"within" in answers) == (parts == ["AO", "inner", "file"])


def test_a_kernel_or_sandbox_without_the_call_is_walked_instead(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_folder: int, _path: str) -> int:
        raise OSError(1, os.strerror(1))

    monkeypatch.setattr(beneath, "_openat2", forbidden)
    assert read(tree, ["AO", "inner", "file"], kernel_resolves=True) == b"within"
    assert read(tree, ["AO", "link", "file"], kernel_resolves=True) == "media_not_regular"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("kernel_resolves", [True, False])
def test_another_filesystem_is_not_entered(tmp_path: Path, kernel_resolves: bool) -> None:
    (tmp_path / "AO").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "AO"], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting is forbidden here")
    try:
        (tmp_path / "AO" / "file").write_bytes(b"elsewhere")
        with (
            pytest.raises(NotARegularFile, match="out of the medium"),
            Beneath.open(tmp_path, kernel_resolves=kernel_resolves) as root,
        ):
            root.read(("AO", "file"), limit=100)
    finally:
        subprocess.run(["umount", tmp_path / "AO"], check=True)


def test_folders_are_made_beneath_and_only_there(tree: Path) -> None:
    with Beneath.open(tree) as root:
        root.make_folder(("AO", "new", "one"))
        root.make_folder(("AO", "new", "one"))
        for parts in (("AO", "out", "tmp"), ("AO", "..", "tmp")):
            with pytest.raises((NotARegularFile, NotFound)):
                root.make_folder(parts)
    assert (tree / "AO" / "new" / "one").is_dir()


def test_no_descriptor_is_left_open(tree: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for parts in (["AO", "inner", "file"], ["AO", "out", "x"], ["nowhere", "x"]):
        for kernel_resolves in (True, False):
            read(tree, parts, kernel_resolves=kernel_resolves)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
