"""What a step of the setup is: whether it is done, what it asks, and what it would then do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from installer.errors import ReleaseRefused
from installer.first_run.conversation import Conversation
from installer.preflight.gather import HostFiles
from installer.release_command import ReleaseCommand


@dataclass(frozen=True, slots=True)
class Act:
    """`plan` is what will be done, in words or as commands; `run` does it and says what came of it."""

    plan: Sequence[str]
    run: Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Here:
    """The host that is set up. `media` are the folders where media are mounted; `settings` is the host's file."""

    release: ReleaseCommand
    settings: Path
    media: Sequence[Path]
    files: HostFiles
    now: datetime

    @cached_property
    def status(self) -> dict[str, Any] | None:
        """`ao status`; None where there is no site yet. Raises ReleaseRefused for everything else.

        Asked once: `again` gives a host that is looked at anew."""
        try:
            return self.release.ask("status").data
        except ReleaseRefused as refusal:
            if refusal.code == "not_initialised":
                return None
            raise

    def again(self) -> Here:
        return replace(self)


class Step(Protocol):
    """`asks` are the names of its answers. `done` is a sentence that says what is there already, or None; `ask` gives
    None where there is nothing to do here, after saying why."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def asks(self) -> Sequence[str]: ...

    def done(self, here: Here) -> str | None: ...

    def ask(self, here: Here, talk: Conversation) -> Act | None: ...
