"""One suite of Debian's packages or sources, for one machine, from the mirrors that this host's apt knows.

One mirror at a time, because what two of them list may be kept by one alone. Each is asked with options that let apt
see nothing else; it knows nothing of what is installed here, and changes nothing of it. apt checks every file against
the archive's signatures; the pins are held against it by whoever asks.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from image.errors import PackageUnavailable
from image.pins import DEBIAN
from runtime.fetch import KEYRING


@dataclass(frozen=True)
class Mirrors:
    """For each mirror, the options that lead apt there."""

    each: tuple[tuple[str, ...], ...]

    def fetch(self, words: Sequence[str], into: Path) -> None:
        """Runs `apt-get WORDS` in the folder, on one mirror after another. Raises PackageUnavailable."""
        said = ""
        for options in self.each:
            try:
                _run(["apt-get", *options, "-q", *words], into)
            except PackageUnavailable as exc:
                said = str(exc)
            else:
                return
        raise PackageUnavailable(said)


def mirrors(suite: str, arch: str, folder: Path, kind: Literal["deb", "deb-src"] = "deb") -> Mirrors:
    """What this host's mirrors list, kept in the folder. Raises PackageUnavailable."""
    folder.mkdir(parents=True, exist_ok=True)
    said = _run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)"], folder).splitlines()
    found = sorted({mirror for origin, _, mirror in (line.partition(" ") for line in said) if origin == "Debian"})
    if not found:
        raise PackageUnavailable("This host's apt knows no mirror of Debian, which the C library comes from.")
    lists = (
        f"{kind} [signed-by={KEYRING}] {each} {suite}{'-security' if 'security' in each else ''} main\n"
        for each in found
    )
    return Mirrors(tuple(_only(line, arch, folder / str(number)) for number, line in enumerate(lists)))


def _only(line: str, arch: str, folder: Path) -> tuple[str, ...]:
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(line, "utf-8")
    options = (
        f"Dir::Etc::sourcelist={folder}/sources.list",
        "Dir::Etc::sourceparts=/dev/null",
        f"Dir::State::lists={folder}/lists",
        "Dir::State::status=/dev/null",
        f"Dir::Cache={folder}/cache",
        f"APT::Architecture={DEBIAN[arch]}",
        f"APT::Architectures={DEBIAN[arch]}",
        "APT::Sandbox::User=root",
    )
    words = tuple(word for option in options for word in ("-o", option))
    _run(["apt-get", *words, "-q", "update"], folder)
    return words


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageUnavailable(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
