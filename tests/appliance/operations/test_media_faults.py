"""Whatever fails in an exchange, and wherever it is cut off, the medium holds whole files and the site lost nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from appliance.ledger.seal import sealed_files
from appliance.ledger.unacknowledged import acknowledged_seq
from appliance.observe.audit import entries
from appliance.operations.media_exchange import Carrying, exchange
from appliance.operations.media_import import Desk
from appliance.operations.usage import seal_due
from appliance.state.site import CHALLENGE_BYTES, Site, open_site
from licensing.errors import Refusal
from media import beneath, rename
from media.beneath import Beneath
from media.medium import medium_at
from tests.appliance.papers import DEMO_MODELS, NOW, SITE, config_bytes
from tests.appliance.sites import any_secret, licensed_site

LATER = NOW + timedelta(days=2)
CALLS = (
    "open",
    "read",
    "write",
    "fsync",
    "fchmod",
    "fstat",
    "close",
    "mkdir",
    "scandir",
    "listdir",
    "unlink",
    "replace",
)
STEPS = 1000
"""More than an exchange makes."""

Fault = Callable[[], None]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with sealed days, and a second config that is brought to it."""
    folder = tmp_path_factory.mktemp("faults") / "state"
    with closing(licensed_site(folder)) as site:
        seal_due(site, LATER, lead=None)
    return folder


def stick_in(folder: Path) -> Path:
    inbox = folder / "stick" / "AO" / "to-site" / SITE
    inbox.mkdir(parents=True)
    (inbox / "config.yaml.signed").write_bytes(config_bytes(DEMO_MODELS, serial=2))
    return folder / "stick"


@contextmanager
def failing_at(step: int, fault: Fault) -> Iterator[Counter[str]]:
    """Has the system call numbered `step` meet `fault` first; yields which call that was, once it has come."""
    left, struck = [step], Counter[str]()

    def around(name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == -1:
                struck[name] += 1
                if name == "close":  # the handle is gone even where close() reports a failure
                    really(*arguments, **options)
                fault()
            return really(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, around(name, getattr(os, name)))
        patch.setattr(rename, "_renameat2", around("renameat2", rename._renameat2))
        patch.setattr(beneath, "_openat2", around("openat2", beneath._openat2))
        # Counted, and not made: here it would flush the whole disk of this host, some hundred times.
        patch.setattr(beneath, "_syncfs", around("syncfs", lambda _handle: None))
        yield struck


def carry(site: Site, stick: Path, now: datetime = LATER) -> Carrying:
    desk = Desk(site, any_secret, now, bytes(CHALLENGE_BYTES))
    medium = medium_at(stick)
    with Beneath.open(stick) as root:
        return exchange(desk, root, medium, lambda _title, _lines: True, operator="eve")


def usage_on(stick: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in stick.rglob("usage-*")}


def assert_whole(stick: Path, sealed: dict[str, bytes]) -> None:
    """What has its final name is what was to be written, and every sheet can be read."""
    assert usage_on(stick).items() <= sealed.items()
    for sheet in stick.rglob("transfer-*.json"):
        assert json.loads(sheet.read_text())["kind"] == "transfer-sheet"


def system_error(number: int) -> Fault:
    def fault() -> None:
        raise OSError(number, os.strerror(number))

    return fault


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_a_failure_of_any_one_system_call_is_told_and_recorded_and_loses_nothing(
    tmp_path: Path, state: Path, number: int
) -> None:
    struck: Counter[str] = Counter()
    with closing(open_site(state)) as site:
        sealed = {each.name: each.data for each in sealed_files(site.database)}
        for step in range(STEPS):
            stick = stick_in(tmp_path / str(step))
            exchanges = sum(each.act == "media.exchange" for each in entries(site.database))
            with failing_at(step, system_error(number)) as met:
                try:
                    done: Carrying | Refusal = carry(site, stick)
                except Refusal as refusal:
                    done = refusal
            struck += met
            assert_whole(stick, sealed)
            assert acknowledged_seq(site) == 0
            after = sum(each.act == "media.exchange" for each in entries(site.database))
            if isinstance(done, Carrying):
                assert after == exchanges + 1
                assert done.failure is not None or usage_on(stick) == sealed, met
            else:  # nothing had been done that could be recorded
                assert (after, usage_on(stick)) == (exchanges, {}), met
            if not met:
                break
            with failing_at(STEPS, system_error(number)):
                again = carry(site, stick, LATER + timedelta(seconds=1))
            assert again.failure is None
            assert usage_on(stick) == sealed
            assert not list(stick.rglob("*.tmp"))
        else:
            pytest.fail("an exchange makes more system calls than this test expects")
        assert site.verify_audit().first_bad is None
    assert set(struck) >= {"open", "openat2", "read", "write", "fsync", "mkdir", "replace", "renameat2", "syncfs"}


def test_killed_at_any_step_what_has_its_name_is_whole_and_the_config_is_the_old_or_the_new(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        seal_due(site, LATER, lead=None)
        sealed = {each.name: each.data for each in sealed_files(site.database)}
    for step in count():
        folder = tmp_path / str(step)
        stick = stick_in(folder)
        shutil.copytree(tmp_path / "state", folder / "state")
        ended = _carried_and_killed(folder / "state", stick, step)
        assert_whole(stick, sealed)
        with closing(open_site(folder / "state")) as again:
            serial = again.in_force("config")
            assert serial is not None
            assert serial.serial in (1, 2)
            assert {each.name: each.data for each in sealed_files(again.database)} == sealed
            assert acknowledged_seq(again) == 0
            with failing_at(STEPS, system_error(errno.EIO)):
                assert carry(again, stick, LATER + timedelta(seconds=1)).failure is None
            assert again.verify_audit().first_bad is None
        assert usage_on(stick) == sealed
        assert not list(stick.rglob("*.tmp"))
        if ended == 0:
            assert step > 100
            break
        assert ended == -signal.SIGKILL


def _carried_and_killed(state: Path, stick: Path, step: int) -> int:
    """How a process of its own ended that SIGKILL meets at the system call numbered `step`: 0 where it came through."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        with closing(open_site(state)) as site, failing_at(step, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            carry(site, stick)
        os._exit(0)
    finally:
        os._exit(1)
