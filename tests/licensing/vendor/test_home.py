"""A vendor's home is made whole or not at all, and never over another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from licensing.errors import Refusal
from licensing.trust import pin
from licensing.vendor.errors import HomeExists, HomeMissing, HomeRefused, TermsRefused
from licensing.vendor.home import ALL_ROLES, Home, first_trust, make_keys
from media.errors import MediumFull
from tests.licensing.vendor.vendors_desk import NOW, repeatable, vendors_desk


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_home_holds_keys_trust_and_memory_and_is_its_owners_alone(tmp_path: Path) -> None:
    home = vendors_desk(tmp_path, root_keys=2).home
    assert sorted(everything_in(home.path)) == sorted(
        ["trust.json", "vendor.db", "keys/root-1.json", "keys/root-2.json"]
        + [f"keys/{role}-1.json" for role in ALL_ROLES if role != "root"]
    )
    assert [path.stat().st_mode & 0o777 for path in (home.path, home.keys)] == [0o700, 0o700]


@pytest.mark.parametrize(("keys", "threshold"), [(1, 1), (3, 2), (3, 3)])
def test_its_trust_is_version_one_and_can_be_pinned(tmp_path: Path, keys: int, threshold: int) -> None:
    desk = vendors_desk(tmp_path, root_keys=keys, root_threshold=threshold)
    pinned = pin(desk.home.trust_file.read_bytes())
    assert (pinned.claims.serial, pinned.claims.vendor, pinned.claims.issued_at) == (1, "Example Systems", NOW)
    root = pinned.claims.roles["root"]
    assert (len(root.keys), root.threshold, len(pinned.signers)) == (keys, threshold, keys)
    others = [record for role, record in pinned.claims.roles.items() if role != "root"]
    assert {(len(record.keys), record.threshold, record.epoch) for record in others} == {(1, 1, 1)}


def test_a_threshold_beyond_the_keys_makes_no_trust() -> None:
    with pytest.raises(TermsRefused, match="can never reach its threshold"):
        first_trust("X", make_keys(1, repeatable("x")), root_threshold=2, now=NOW)


def test_an_existing_home_is_never_touched(tmp_path: Path) -> None:
    vendors_desk(tmp_path)
    before = everything_in(tmp_path)
    with pytest.raises(HomeExists):
        vendors_desk(tmp_path)
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("make", [lambda path: path.write_text("x"), lambda path: (path.mkdir(), (path / "x").touch())])
def test_nor_is_anything_else_of_that_name(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "vendor")
    before = everything_in(tmp_path)
    with pytest.raises(HomeExists) as refused:
        vendors_desk(tmp_path)
    assert refused.value.exit_code == 92
    assert everything_in(tmp_path) == before


def test_an_empty_folder_may_become_a_home(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir(mode=0o755)
    home = vendors_desk(tmp_path).home
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_a_home_that_could_not_be_finished_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MediumFull("No room is left.")

    monkeypatch.setattr("licensing.vendor.home.write_document", full)
    with pytest.raises(MediumFull):
        vendors_desk(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_home_needs_a_folder_to_be_in(tmp_path: Path) -> None:
    with pytest.raises(HomeRefused):
        vendors_desk(tmp_path / "nowhere")


def test_where_there_is_no_home_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(HomeMissing) as refused:
        Home(tmp_path).trust()
    assert "ao-vendor init" in refused.value.remedy


def test_a_changed_trust_document_is_not_worked_with(tmp_path: Path) -> None:
    home = vendors_desk(tmp_path).home
    data = home.trust_file.read_bytes()
    home.trust_file.write_bytes(data.replace(b'"payload":"', b'"payload":"A', 1))
    with pytest.raises(Refusal):
        home.trust()
