"""A stick with a genuine licence and config on it, to be spoilt; and what a site makes of it.

Every attack is tried twice, with the kernel resolving paths and with the walk for kernels that cannot, and once through
the command, whose output is what reaches a terminal, and whom the kernel allows MEMORY and SECONDS of a processor.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
import tracemalloc
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.operations.media_import import Desk, Taken, import_medium, inspect_medium
from appliance.state.site import CHALLENGE_BYTES, Site, open_site
from licensing.errors import Refusal
from media.beneath import Beneath
from tests.appliance.papers import DEMO_MODELS, SITE, config_bytes, licence_bytes
from tests.appliance.sites import any_secret, make_site

AO = Path(sys.executable).with_name("ao")
SECONDS = 20
MIB = 1024 * 1024
MEMORY = 512 * MIB
"""Of addresses; some 300 MiB of them are the program and its libraries, of which 55 are in memory."""


@dataclass(frozen=True)
class Stick:
    """`path` is the medium's root, `inbox` the folder for the site, `state` the site's own."""

    path: Path
    state: Path
    now: datetime

    @property
    def inbox(self) -> Path:
        return self.path / "AO" / "to-site" / SITE

    @property
    def outbox(self) -> Path:
        return self.path / "AO" / "to-vendor" / SITE

    def site(self) -> closing[Site]:
        return closing(open_site(self.state))

    def desk(self, site: Site) -> Desk:
        return Desk(site, any_secret, self.now, bytes(CHALLENGE_BYTES))


def make_stick(folder: Path) -> Stick:
    """A site without a licence, and a stick that would give it one and a config."""
    now = datetime.now(UTC).replace(microsecond=0)
    with closing(make_site(folder / "state", now=now)) as site:
        stick = Stick(folder / "stick", folder / "state", now)
        stick.inbox.mkdir(parents=True)
        licence = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, now=now)
        (stick.inbox / "licence.json").write_bytes(licence)
        (stick.inbox / "config.yaml.signed").write_bytes(config_bytes(DEMO_MODELS, serial=1, now=now))
    return stick


def taken_from(stick: Stick, *, kernel_resolves: bool = True) -> list[Taken]:
    """What an import makes of the stick; within bounds of time and memory that no stick may break."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with stick.site() as site, Beneath.open(stick.path, kernel_resolves=kernel_resolves) as root:
            inspect_medium(stick.desk(site), root)
            taken = import_medium(stick.desk(site), root, lambda _title, _lines: True)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - started < SECONDS
    assert peak < 64 * MIB
    return taken


def outcomes(taken: list[Taken]) -> dict[str, str]:
    """By kind: what became of it, the code where it was refused."""
    return {each.kind: each.refusal.code if each.refusal else each.outcome for each in taken}


def in_force(stick: Stick) -> dict[str, bool]:
    with stick.site() as site:
        return {slot: site.document(slot) is not None for slot in ("licence", "config")}


def assert_medium_refused(stick: Stick, code: str) -> None:
    """The medium as a whole is refused, however paths are resolved, and nothing has come of it."""
    for kernel_resolves in (True, False):
        with pytest.raises(Refusal) as caught:
            taken_from(stick, kernel_resolves=kernel_resolves)
        assert caught.value.code == code
    assert in_force(stick) == {"licence": False, "config": False}
    assert_terminal_is_safe(stick, code)


def assert_terminal_is_safe(stick: Stick, code: str) -> None:
    """The command says the code within its bounds, and sends the terminal nothing but text."""
    exit_code, said = said_by(stick, "inspect")
    assert f"[{code}]" in said
    assert exit_code != 0


def said_by(stick: Stick, *words: str) -> tuple[int, str]:
    """What `ao media …` prints, within its bounds, once every character was found to be one that only shows."""
    done = subprocess.run(
        [AO, "media", *words, stick.path, "--state-dir", stick.state],
        capture_output=True,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        preexec_fn=_bounded,
    )
    said = (done.stdout + done.stderr).decode("utf-8")
    assert_harmless(said)
    assert "Traceback" not in said
    return done.returncode, said


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def assert_harmless(said: str) -> None:
    for character in said:
        assert character == "\n" or character.isprintable(), repr(character)
        assert character not in "\u202e\u202d\u2066\u2067\u2068\u2069\u200f", repr(character)
