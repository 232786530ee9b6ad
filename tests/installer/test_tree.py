"""A release's tree is believed by its MANIFEST, to the last file; the record survives whatever tears it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from installer.errors import ActUnfinished, ReleaseDamaged
from installer.record import Record, Trace, alone
from installer.tree import copy_tree, is_whole, read_release
from tests.installer import made_up

ARCH = os.uname().machine


def add(tree: Path) -> None:
    (tree / "lib/more.py").write_text("")


def link(tree: Path) -> None:
    (tree / "lib/a.py").rename(tree / "aside")
    (tree / "lib/a.py").symlink_to(tree / "aside")
    (tree / "MANIFEST").write_text((tree / "MANIFEST").read_text())


def edit(tree: Path) -> None:
    (tree / "lib/sub/b.py").write_text("b = 3\n")


def lose(tree: Path) -> None:
    (tree / "lib/a.py").unlink()


def climb(tree: Path) -> None:
    with (tree / "MANIFEST").open("a") as manifest:
        manifest.write(f"{'0' * 64}  ../outside\n")


def double(tree: Path) -> None:
    text = (tree / "MANIFEST").read_text()
    (tree / "MANIFEST").write_text(text + text)


def empty(tree: Path) -> None:
    (tree / "MANIFEST").write_text("")


@pytest.mark.parametrize("defect", [add, link, edit, lose, climb, double, empty])
def test_a_tree_that_differs_in_one_thing_is_refused(defect: Callable[[Path], None], tmp_path: Path) -> None:
    tree = made_up.release(tmp_path / "tree", "1.0.0")
    assert is_whole(tree, arch=ARCH)
    defect(tree)
    with pytest.raises(ReleaseDamaged):
        read_release(tree, arch=ARCH)
    assert not is_whole(tree, arch=ARCH)


def test_a_release_for_another_machine_is_refused_by_name(tmp_path: Path) -> None:
    tree = made_up.release(tmp_path / "tree", "1.0.0", arch="riscv64")
    with pytest.raises(ReleaseDamaged, match="for riscv64"):
        read_release(tree, arch=ARCH)


def test_a_copy_is_whole_or_is_not_there(tmp_path: Path) -> None:
    read = read_release(made_up.release(tmp_path / "tree", "1.0.0"), arch=ARCH)
    (tmp_path / "to").mkdir()
    copy_tree(read, tmp_path / "to/1.0.0")
    assert is_whole(tmp_path / "to/1.0.0", arch=ARCH)
    edit(tmp_path / "tree")  # after it was read, and before it is copied
    with pytest.raises(ReleaseDamaged, match="changed while"):
        copy_tree(read, tmp_path / "to/again")
    assert not (tmp_path / "to/again").exists()


def test_a_record_that_was_torn_is_read_up_to_there_and_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    record = Record(file)
    record.begin_act("install", {"version": "1.0.0"})
    record.begin(Trace("file /a", "WriteFile", {"path": "/a"}, {"existed": False}))
    with file.open("a") as torn:
        torn.write('{"begin": "file /b", "ki')
    again = Record(file)
    assert list(again.story.traces) == ["file /a"]
    assert again.story.act == "install"
    again.begin(Trace("file /a", "WriteFile", {"path": "/a"}, {"existed": True}))
    again.finish("install", answers={"port": 1})
    told = Record(file).story
    assert told.traces["file /a"].before == {"existed": False}, "what was there first is what undoing goes back to"
    assert (told.act, told.answers) == (None, {"port": 1})


def test_one_installer_at_a_time(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ActUnfinished, match="at work"), alone(tmp_path):
        raise AssertionError
