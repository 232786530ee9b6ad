"""Tries: links on the medium that lead out of it, as a file, as any folder on the way, relative, absolute, hard."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.media.hostile_stick import (
    Stick,
    assert_medium_refused,
    assert_terminal_is_safe,
    in_force,
    make_stick,
    outcomes,
    taken_from,
)


def moved_out(folder: Path, target: Path, *, absolute: bool) -> None:
    """Puts a folder elsewhere and leaves a link that leads to it."""
    shutil.move(folder, target)
    folder.symlink_to(target if absolute else Path(*[".."] * (len(folder.parts) - 1)) / target.relative_to("/"))


FOLDERS: dict[str, Callable[[Stick], Path]] = {
    "AO": lambda stick: stick.path / "AO",
    "to-site": lambda stick: stick.inbox.parent,
    "the site's folder": lambda stick: stick.inbox,
}


@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "by .."])
@pytest.mark.parametrize("which", FOLDERS.values(), ids=FOLDERS.keys())
def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path, which: Callable[[Stick], Path], absolute: bool) -> None:
    stick = make_stick(tmp_path)
    moved_out(which(stick), tmp_path / "elsewhere", absolute=absolute)
    assert_medium_refused(stick, "media_not_regular")


def test_a_link_within_the_medium_is_not_followed_either(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    stick.inbox.rename(stick.path / "real")
    stick.inbox.symlink_to("../../real")
    assert_medium_refused(stick, "media_not_regular")


@pytest.mark.parametrize("kernel_resolves", [True, False])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../elsewhere.json", "licence.json"])
def test_a_document_that_is_a_link_is_refused_and_the_others_are_taken(
    tmp_path: Path, target: str, kernel_resolves: bool
) -> None:
    stick = make_stick(tmp_path)
    (stick.inbox / "licence.json").rename(tmp_path / "elsewhere.json")
    (stick.inbox / "licence.json").symlink_to(target)
    assert outcomes(taken_from(stick, kernel_resolves=kernel_resolves))["licence"] == "media_not_regular"
    assert in_force(stick)["licence"] is False
    assert_terminal_is_safe(stick, "media_not_regular")


def test_a_document_with_a_second_name_is_refused(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    (stick.path / "second").hardlink_to(stick.inbox / "licence.json")
    assert outcomes(taken_from(stick))["licence"] == "media_not_regular"
    assert in_force(stick)["licence"] is False
