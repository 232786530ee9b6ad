"""Tries: a medium that wants what is written to it to land elsewhere, or to take the place of what was there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.operations.media_export import export_medium
from licensing.errors import Refusal
from media.beneath import Beneath
from tests.appliance.papers import SITE
from tests.attacks.media.hostile_stick import Stick, make_stick

Spoil = Callable[[Stick, Path], None]


def export(stick: Stick, *, kernel_resolves: bool) -> None:
    with stick.site() as site, Beneath.open(stick.path, kernel_resolves=kernel_resolves) as root:
        export_medium(site, root, stick.now, request=True).complete()


def top_is_a_link(stick: Stick, outside: Path) -> None:
    (stick.path / "AO").rename(stick.path / "was")
    (stick.path / "AO").symlink_to(outside)


def outbox_is_a_link(stick: Stick, outside: Path) -> None:
    stick.outbox.parent.mkdir(parents=True)
    stick.outbox.symlink_to(outside)


def request_is_a_link(stick: Stick, outside: Path) -> None:
    stick.outbox.mkdir(parents=True)
    (stick.outbox / "site-request.signed.json").symlink_to(outside / "victim")


def readme_is_a_link(stick: Stick, outside: Path) -> None:
    (stick.path / "AO" / "README.txt").symlink_to(outside / "victim")


def index_is_a_folder(stick: Stick, outside: Path) -> None:
    (stick.outbox / "index.txt").mkdir(parents=True)


def outbox_is_a_file(stick: Stick, outside: Path) -> None:
    stick.outbox.parent.mkdir(parents=True)
    stick.outbox.write_bytes(b"")


SPOILT: dict[str, Spoil] = {
    "AO is a link": top_is_a_link,
    "the outbox is a link": outbox_is_a_link,
    "a document's name is a link": request_is_a_link,
    "the README is a link": readme_is_a_link,
    "the index is a folder": index_is_a_folder,
    "the outbox is a file": outbox_is_a_file,
}


@pytest.mark.parametrize("kernel_resolves", [True, False])
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_nothing_is_written_outside_and_it_is_said(tmp_path: Path, spoil: Spoil, kernel_resolves: bool) -> None:
    stick = make_stick(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_bytes(b"precious")
    spoil(stick, outside)
    with pytest.raises(Refusal) as caught:
        export(stick, kernel_resolves=kernel_resolves)
    assert caught.value.code in {"media_not_regular", "media_write_failed"}
    assert [each.name for each in outside.iterdir()] == ["victim"]
    assert (outside / "victim").read_bytes() == b"precious"


def test_a_file_of_the_same_name_with_other_bytes_is_not_replaced(tmp_path: Path) -> None:
    stick = make_stick(tmp_path)
    from media.outbox import Outgoing, put

    stick.outbox.mkdir(parents=True)
    theirs = stick.outbox / "usage-2026-11-23.signed.json"
    theirs.write_bytes(b"somebody's")
    with Beneath.open(stick.path) as root, pytest.raises(Refusal) as caught:
        put(root, "to-vendor", SITE, [Outgoing(theirs.name, b"ours")]).complete()
    assert caught.value.code == "media_already_there"
    assert theirs.read_bytes() == b"somebody's"
