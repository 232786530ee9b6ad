"""What lies where in an image (pure): facts in, entries of its two layers out.

    /opt/ao/release/              the release, as every delivery holds it
    /usr/bin/ao                   the command
    /lib, /lib64                  Debian's C library and libgcc, and of each only what something here loads
    /etc                          passwd and group with one user who is not root, where names are looked up, settings
    /var/lib/ao                   an empty folder of that user's: where the volume with the state goes
    /usr/share/doc/ao-image/      licences, notices and the bill of materials of the whole image

Promise: everything else belongs to root, is writable by root alone, and is a plain file, a folder or the one link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.manifest import ordered

USER = 10001
"""Above what distributions give to people and services, so that it meets nobody's of the node."""

STATE = "var/lib/ao"
SETTINGS = "etc/ao/settings.toml"
COMMAND = "usr/bin/ao"
HOME = "opt/ao/release"
"""Not /opt/ao/current, where programs that serve a host look for a release with a shell around it."""

DOCUMENTS = "usr/share/doc/ao-image"
AUTHORITIES = "etc/ssl/cert.pem"

TRIPLET = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
LOADER = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}
"""The name that programs of a machine ask the kernel for, by the machine's ABI."""

LINKS: Mapping[str, str] = {AUTHORITIES: "certs/ca-certificates.crt"}
"""Two libraries look for authorities in two places: a bundle that is mounted at
/etc/ssl/certs/ca-certificates.crt is found by both."""

_PASSWD = f"ao:x:{USER}:{USER}:AO Appliance:/{STATE}:/nonexistent\n"
_GROUP = f"ao:x:{USER}:\n"
_NAMES = "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n"


@dataclass(frozen=True)
class Entry:
    """One member of a layer: a file with its bytes or the file that has them, a link, or else a folder."""

    path: str
    mode: int = 0o755
    owner: int = 0
    content: bytes | None = None
    source: Path | None = None
    link: str | None = None

    @property
    def is_folder(self) -> bool:
        return self.content is None and self.source is None and self.link is None


def below(arch: str, libraries: Mapping[str, bytes], command: bytes, settings: bytes) -> Iterator[Entry]:
    """The lower layer: all that is not the release. `libraries` by name. Folders come from `with_folders`."""
    yield _file("etc/passwd", _PASSWD.encode())
    yield _file("etc/group", _GROUP.encode())
    yield _file("etc/nsswitch.conf", _NAMES.encode())
    yield _file(SETTINGS, settings)
    yield Entry("etc/ao/secrets")
    yield Entry("etc/ssl/certs")
    for path, target in LINKS.items():
        yield Entry(path, 0o777, link=target)
    loader = LOADER[arch].rpartition("/")[2]
    for name, data in libraries.items():
        if name == loader:
            yield _file(LOADER[arch], data, runs=True)
        else:
            yield _file(f"lib/{TRIPLET[arch]}/{name}", data)
    yield _file(COMMAND, command, runs=True)
    yield Entry(STATE, 0o700, owner=USER)


def above(tree: Path, documents: Mapping[str, bytes]) -> Iterator[Entry]:
    """The upper layer: the release as it lies in `tree`, and the image's own papers."""
    yield Entry(HOME)
    for path in ordered(tree):
        name = f"{HOME}/{path.relative_to(tree).as_posix()}"
        mode = path.stat().st_mode & 0o777
        yield Entry(name, mode) if path.is_dir() else Entry(name, mode, source=path)
    for name, data in documents.items():
        yield _file(f"{DOCUMENTS}/{name}", data)


def with_folders(entries: Iterator[Entry]) -> list[Entry]:
    """The same in the order of their names' bytes, each below its folder; folders that nobody named are root's."""
    known = {each.path: each for each in entries}
    for path in list(known):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            known.setdefault("/".join(parts[:depth]), Entry("/".join(parts[:depth])))
    return sorted(known.values(), key=lambda each: each.path.encode())


def _file(path: str, content: bytes, *, runs: bool = False) -> Entry:
    return Entry(path, 0o755 if runs else 0o644, content=content)
