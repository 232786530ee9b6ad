"""What a new release is asked after it was taken, and that each wrong answer brings the one before back."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from installer.errors import StepFailed, UpgradeReturned
from installer.ground import installed_version
from installer.host import Programs
from installer.install import install
from installer.layout import Layout
from installer.serving import Address, wait_until_ready
from installer.tree import read_release
from installer.upgrade import upgrade
from tests.installer import made_up

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """0.1.0 is installed there, with two exchanges in its books and in its journal."""
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)  # the user `ao` is asked within
    layout = Layout(PurePosixPath(made_up.root(tmp_path / "root")))
    first = made_up.release(tmp_path / "first", "0.1.0")
    install(layout, None, read_release(first, arch=os.uname().machine), lambda _line: None)
    state = tmp_path / "root/var/lib/ao"
    (state / "ao.db").write_text("1 a b")
    os.chown(state / "ao.db", state.stat().st_uid, -1)
    return layout


def state_of(layout: Layout) -> list[str]:
    return Path(layout.root / "var/lib/ao/ao.db").read_text().split()


def take(layout: Layout, folder: Path) -> None:
    upgrade(layout, read_release(folder, arch=os.uname().machine), lambda _line: None, now=NOW, wait=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="users are made")
def test_a_release_that_loses_an_exchange_is_not_taken_and_the_exchange_is_back(layout: Layout, tmp_path: Path) -> None:
    """Although the newer database is sound, and its books are as long as before: another exchange came meanwhile."""
    journal = Path(layout.root / "var/lib/ao/journal")
    journal.write_text("c")
    with pytest.raises(UpgradeReturned, match=r"lack what was in them before \(exchanges: 1\)"):
        take(layout, made_up.release(tmp_path / "2", "0.2.0", schema=2, loses=True))
    assert installed_version(layout) == "0.1.0"
    assert state_of(layout) == ["1", "a", "b", "c"], "the copy, and what the journal has since"


@pytest.mark.skipif(os.geteuid() != 0, reason="users are made")
def test_a_release_under_which_the_licence_no_longer_serves_is_not_taken(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(UpgradeReturned, match=r"The licence does not serve any more: It does not\."):
        take(layout, made_up.release(tmp_path / "2", "0.2.0", schema=2, serves=False))
    assert installed_version(layout) == "0.1.0"
    assert state_of(layout) == ["1", "a", "b"]


@pytest.mark.skipif(os.geteuid() != 0, reason="users are made")
def test_a_licence_that_did_not_serve_before_keeps_nobody_from_upgrading(layout: Layout, tmp_path: Path) -> None:
    program = Path(layout.root / "opt/ao/releases/0.1.0/bin/ao")
    program.write_text(program.read_text().replace('"serves": true', '"serves": false'))
    take(layout, made_up.release(tmp_path / "3", "0.2.0", serves=False))
    assert installed_version(layout) == "0.2.0"


@contextmanager
def answering(*statuses: int) -> Iterator[Address]:
    """One after the other; the last for ever."""
    left = list(statuses)

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/readyz"
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            """Nobody reads it."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Address("127.0.0.1", server.server_port, Path("no socket"))
        server.shutdown()


def test_it_waits_until_calls_are_answered() -> None:
    with answering(503, 503, 200) as address:
        wait_until_ready(Programs(), address, 60)


def test_one_that_never_says_so_has_failed_and_what_it_said_last_is_told() -> None:
    with answering(503) as address, pytest.raises(StepFailed, match=r"within 1 seconds .*last: 503"):
        wait_until_ready(Programs(), address, 1)
