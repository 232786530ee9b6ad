"""Tries: what is no file under a document's name: pipe, socket, device, folder, a file of a terabyte."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.media.hostile_stick import (
    assert_medium_refused,
    assert_terminal_is_safe,
    in_force,
    make_stick,
    outcomes,
    taken_from,
)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket may have only some hundred characters
    try:
        with socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.bind(path.name)
            endpoint.listen()
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: reading it never ends


def folder(path: Path) -> None:
    path.mkdir()


def terabyte(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2**40)


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe": (pipe, "media_not_regular"),
    "a socket": (listening_socket, "media_not_regular"),
    "a device": (device, "media_not_regular"),
    "a folder": (folder, "media_not_regular"),
    "a sparse terabyte": (terabyte, "media_too_large"),
}


@pytest.mark.parametrize("name", ["licence.json", "config.yaml.signed"])
@pytest.mark.parametrize(("make", "code"), FILES.values(), ids=FILES.keys())
def test_it_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None], code: str, name: str) -> None:
    stick = make_stick(tmp_path)
    (stick.inbox / name).unlink()
    make(stick.inbox / name)
    kind = "licence" if name.startswith("licence") else "config"
    assert outcomes(taken_from(stick))[kind] == code
    assert in_force(stick)[kind] is False
    assert_terminal_is_safe(stick, code)


@pytest.mark.parametrize("make", [pipe, terabyte, device])
def test_it_is_refused_also_where_a_folder_should_be(tmp_path: Path, make: Callable[[Path], None]) -> None:
    stick = make_stick(tmp_path)
    stick.inbox.rename(tmp_path / "elsewhere")
    make(stick.inbox)
    assert_medium_refused(stick, "media_not_regular")
