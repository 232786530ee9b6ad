"""A story is told chapter by chapter; how long each took is kept in `.bench/hosts/` for the report."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from tests.real.hosts.booted_host import MEMORY, host_of
from tests.real.hosts.releases import Releases
from tests.real.hosts.story import Story, fat_stick
from tests.real.processes import ROOT
from tests.real.site_and_vendor import Vendor

KEPT = ROOT / ".bench" / "hosts"
P = ParamSpec("P")
R = TypeVar("R")


class Tell(Protocol):
    def __call__(self, chapter: Callable[Concatenate[Story, P], R], *args: P.args, **kwargs: P.kwargs) -> R: ...


@contextmanager
def story_on(suite: str, releases: Releases, vendor: Vendor, folder: Path, also: str | None = None) -> Iterator[Story]:
    """A host of that suite, off."""
    upstream = folder / "upstream"
    upstream.mkdir()
    with fat_stick(folder) as stick:
        begun = time.monotonic()
        with host_of(suite, folder, {"/srv/releases": releases.folder, "/media/usb": stick}, also) as host:
            story = Story(host, stick, vendor, releases, upstream)
            story.seconds("making the root", begun)
            yield story


def keep_figures(story: Story) -> None:
    """For the report. `processor` is what this process and all that it has waited for used, in seconds; `load` the
    machine's over the last five minutes."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    story.took["on disk"] = float(not story.host.folder.is_relative_to(MEMORY))
    story.took["load"] = round(os.getloadavg()[1], 1)
    story.took["processor"] = round(sum(each.ru_utime + each.ru_stime for each in used), 2)
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{story.host.folder.name}.json").write_text(json.dumps(story.took, indent=1) + "\n")


@contextmanager
def told(story: Story) -> Iterator[Tell]:
    """What tells a chapter, and notes how long it took."""

    def tell(chapter: Callable[Concatenate[Story, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        begun = time.monotonic()
        found = chapter(story, *args, **kwargs)
        story.seconds(f"chapter: {chapter.__name__.replace('_', ' ')} {' '.join(map(str, args))}".strip(), begun)
        return found

    yield tell
