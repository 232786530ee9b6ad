"""The pinned sources and compiler, from the distribution's own archive and the package index, each checked by its hash.

What lies in the cache with the right hash is not fetched again. A distribution takes superseded sources away after some
time: whoever must be able to build this release then keeps the cache.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from runtime.cache import sha256_of
from runtime.errors import RuntimeUnavailable
from runtime.pins import Pins, Source

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def sources(pins: Pins, into: Path) -> dict[str, Path]:
    """The archive of each source, by its name. Raises RuntimeUnavailable naming the one that cannot be had."""
    into.mkdir(parents=True, exist_ok=True)
    missing = [each for each in pins.sources if not _is_there(into / each.file, each.sha256)]
    if missing:
        mirrors = _mirrors(pins.suite, into / "apt")
        for each in missing:
            _fetch(each, into, mirrors)
    return {each.name: into / each.file for each in pins.sources}


def _is_there(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_of(file) == sha256


def _mirrors(suite: str, folder: Path) -> list[tuple[str, ...]]:
    """For each mirror that this host uses, options that make apt look at one suite's sources there and nowhere else.

    One at a time, because a revision that two mirrors list may be kept by one of them only.
    """
    folder.mkdir(exist_ok=True)
    said = _run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)"], folder).splitlines()
    found = sorted(
        {mirror.strip() for origin, _, mirror in (line.partition(" ") for line in said) if origin == "Debian"}
    )
    if not found:
        raise RuntimeUnavailable("This host's apt knows no mirror of Debian, which the sources come from.")
    return [_only(mirror, suite, folder / str(number)) for number, mirror in enumerate(found)]


def _only(mirror: str, suite: str, folder: Path) -> tuple[str, ...]:
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    name = f"{suite}-security" if "security" in mirror else suite
    (folder / "sources.list").write_text(f"deb-src [signed-by={KEYRING}] {mirror} {name} main\n", "utf-8")
    options = (
        f"Dir::Etc::sourcelist={folder}/sources.list",
        "Dir::Etc::sourceparts=/dev/null",
        f"Dir::State::lists={folder}/lists",
        f"Dir::Cache={folder}/cache",
        "APT::Sandbox::User=root",
    )
    words = tuple(word for option in options for word in ("-o", option))
    _run(["apt-get", *words, "-q", "update"], folder)
    return words


def _fetch(source: Source, into: Path, mirrors: Sequence[Sequence[str]]) -> None:
    """Tries each revision that packages the pinned version: its archive is the same in all, but not all are kept."""
    offered: list[str] = []
    for options in mirrors:
        said = _run(["apt-cache", *options, "showsrc", source.package], into)
        revisions = re.findall(rf"^Version: ({re.escape(source.package_version)}-\S+)$", said, re.MULTILINE)
        offered += revisions
        for revision in revisions:
            command = ["apt-get", *options, "-q", "source", "--download-only", f"{source.package}={revision}"]
            subprocess.run(command, cwd=into, capture_output=True, check=False)
            if _is_there(into / source.file, source.sha256):
                return
    raise RuntimeUnavailable(
        f"{source.name} {source.version} cannot be had with the SHA-256 {source.sha256}: the distribution offers "
        f"{', '.join(offered) or 'no revision of it'}. Put {source.file} into {into}, or raise the pin."
    )


def compiler(pins: Pins, into: Path) -> Path:
    """The pinned zig, unpacked; its wheel is checked by pip against the pin."""
    program = into / "ziglang/zig"
    if program.is_file() and (into / f"{pins.zig_sha256}.whole").is_file():
        return program
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    lock = into / "lock.txt"
    lock.write_text(f"ziglang=={pins.zig} --hash=sha256:{pins.zig_sha256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    _run([*command, "--require-hashes", "--only-binary=:all:", "-d", str(into), "-r", str(lock)], into)
    (wheel,) = into.glob("ziglang-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into)
    wheel.unlink()
    program.chmod(0o755)
    (into / f"{pins.zig_sha256}.whole").touch()
    return program


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeUnavailable(f"{' '.join(command[:2])} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
