"""What must not be in an image. Each gate looks at the made file, opened again, and names every finding.

The release in it has passed the gates of the bundle already; these are about what only an image has.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

from bundle.elf import MACHINES, MAGIC
from bundle.facts import Facts
from image.archive import Member, Opened
from image.errors import ImageClosed
from image.layout import COMMAND, DOCUMENTS, HOME, LINKS, LOADER, STATE, USER
from image.papers import LICENCES
from image.pins import DEBIAN, Pins

RUNTIME = "runtime/bin/python3"
SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "rbash", "busybox"})
TOOLS = frozenset(
    {"apt", "apt-get", "dpkg", "rpm", "yum", "dnf", "apk", "pip", "pip3", "env", "su", "sudo", "mount", "curl", "wget"}
)
LARGEST_PAGE = 65536


@dataclass(frozen=True)
class Looked:
    """An opened image, what it is said to be, and the folders whose names nobody else shall read."""

    image: Opened
    facts: Facts
    pins: Pins
    private: tuple[str, ...]
    members: Sequence[Member]
    contents: Mapping[str, bytes]

    @classmethod
    def at(cls, image: Opened, facts: Facts, pins: Pins, private: tuple[str, ...]) -> Looked:
        return cls(image, facts, pins, private, image.members(), image.contents())


Gate = Callable[[Looked], Iterator[str]]


def no_shell(of: Looked) -> Iterator[str]:
    """No program but the release's own Python can be started by the kernel, and no shell or package manager by name."""
    for path, data in of.contents.items():
        name = path.rpartition("/")[2]
        if name in SHELLS or name in TOOLS:
            yield f"{path}: a shell or a tool"
        if data.startswith(MAGIC) and _runs(data) and path not in _programs(of) and _mode(of, path) & 0o111:
            yield f"{path}: a program beside the release's Python"
    command = of.contents.get(COMMAND, b"")
    if not command.startswith(f"#!/{HOME}/{RUNTIME} ".encode()):
        yield f"{COMMAND}: not started by the release's own Python"


def nothing_beyond_a_user(of: Looked) -> Iterator[str]:
    """No set-id bit, nothing writable by others, no device; all is root's but the empty folder for the state."""
    for each in of.members:
        if each.kind == "other":
            yield f"{each.path}: neither file, folder nor link"
        if each.kind != "link" and each.mode & ~0o755:
            yield f"{each.path}: mode {each.mode:04o} gives more than owner's writing and everybody's reading"
        if (each.owner, each.group) != ((USER, USER) if each.path == STATE else (0, 0)):
            yield f"{each.path}: belongs to {each.owner}:{each.group}"
        if each.kind == "link" and LINKS.get(each.path) != each.link:
            yield f"{each.path}: a link that nobody expects"
    times = Counter(each.path for each in of.members if each.kind != "folder")
    yield from (f"{path}: there twice" for path, count in times.items() if count > 1)


def the_user_is_none_of_the_nodes(of: Looked) -> Iterator[str]:
    """The config names a user by number who is not root, a command, and the machine that the files are for."""
    config, said = of.image.config, of.image.config["config"]
    if said.get("User") != f"{USER}:{USER}":
        yield f"the config's user is {said.get('User')!r}"
    if said.get("Entrypoint") != [f"/{COMMAND}"] or "Volumes" in said:
        yield "the config starts something else, or declares a volume"
    if (config["architecture"], config["os"]) != (DEBIAN[of.facts.arch], "linux"):
        yield f"the config is for {config['os']}/{config['architecture']}"
    users = [line.split(":") for line in of.contents.get("etc/passwd", b"").decode().splitlines()]
    if [(each[0], each[2]) for each in users] != [("ao", str(USER))]:
        yield "etc/passwd: more or other users than the one"


def no_private_path(of: Looked) -> Iterator[str]:
    """No file and nothing of the config bears the name of a folder of the machine that built it."""
    papers = {
        "the config": json.dumps(of.image.config).encode(),
        "the manifest": json.dumps(of.image.manifest).encode(),
    }
    for name, data in {**of.contents, **papers}.items():
        for folder in of.private:
            if folder.encode() in data:
                yield f"{name}: names {folder}, a folder of the building machine"


def everything_loads(of: Looked) -> Iterator[str]:
    """Each compiled file is for this machine, and finds in the image every library that it names, new enough."""
    compiled = {path: data for path, data in of.contents.items() if data.startswith(MAGIC)}
    there = {path.rpartition("/")[2]: data for path, data in compiled.items() if path.startswith("lib")}
    offered = {name: _defined(data) for name, data in there.items()}
    if LOADER[of.facts.arch] not in compiled:
        yield f"{LOADER[of.facts.arch]}: not there, and nothing can be started without it"
    for path, data in compiled.items():
        elf = ELFFile(BytesIO(data))
        if (machine := MACHINES.get(str(elf["e_machine"]))) != of.facts.arch:
            yield f"{path}: is for {machine}, the image for {of.facts.arch}"
        if of.facts.arch == "aarch64" and min(_alignments(elf), default=0) < LARGEST_PAGE:
            yield f"{path}: aligned for pages smaller than 64 KiB"
        yield from (f"{path}: needs {each}, which is not in the image" for each in _needed(elf) if each not in there)
        for library, version in _wanted(elf):
            if library in there and version not in offered[library]:
                yield f"{path}: needs {version} of {library}, which the image's has not"


def papers_are_there(of: Looked) -> Iterator[str]:
    """Licence texts and the bill name every package; the release is whole, as its own MANIFEST lists it."""
    bill = json.loads(of.contents.get(f"{DOCUMENTS}/sbom.cdx.json", b'{"components": []}'))
    listed = {(each["name"], each.get("version")) for each in bill["components"]}
    for package in of.pins.packages:
        if (package.name, package.version) not in listed:
            yield f"{package.name} {package.version}: not in the bill of materials"
        folder = f"{DOCUMENTS}/{LICENCES}/{package.component}/"
        if not any(path.startswith(folder) and data for path, data in of.contents.items()):
            yield f"{package.name}: no text of its licence"
    lines = of.contents.get(f"{HOME}/MANIFEST", b"").decode().splitlines()
    said = {f"{HOME}/{name}": digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = {each.path: each.digest for each in of.members if _file(each) and each.path.startswith(f"{HOME}/")}
    found.pop(f"{HOME}/MANIFEST", None)
    if not said or said != found:
        wrong = sorted(path for path in said.keys() | found.keys() if said.get(path) != found.get(path))
        yield f"the release is not the one of its MANIFEST: {', '.join(wrong[:3]) or 'there is none'}"


GATES: Sequence[Gate] = (
    no_shell,
    nothing_beyond_a_user,
    the_user_is_none_of_the_nodes,
    no_private_path,
    everything_loads,
    papers_are_there,
)


def pass_gates(of: Looked) -> None:
    """Raises ImageClosed with every finding of every gate."""
    if findings := [finding for gate in GATES for finding in gate(of)]:
        raise ImageClosed(findings)


def _file(member: Member) -> bool:
    return member.kind == "file"


def _programs(of: Looked) -> set[str]:
    return {f"{HOME}/{RUNTIME}", LOADER[of.facts.arch]}


def _mode(of: Looked, path: str) -> int:
    return next(each.mode for each in of.members if each.path == path)


def _runs(data: bytes) -> bool:
    """Whether a kernel can start it as a program."""
    elf = ELFFile(BytesIO(data))
    return elf["e_type"] == "ET_EXEC" or any(each["p_type"] == "PT_INTERP" for each in elf.iter_segments())


def _alignments(elf: ELFFile) -> list[int]:
    return [each["p_align"] for each in elf.iter_segments() if each["p_type"] == "PT_LOAD"]


def _needed(elf: ELFFile) -> list[str]:
    return [
        each.needed
        for section in elf.iter_sections()
        if isinstance(section, DynamicSection)
        for each in section.iter_tags()
        if each.entry.d_tag == "DT_NEEDED"
    ]


def _wanted(elf: ELFFile) -> list[tuple[str, str]]:
    """The versions that a file asks of each library."""
    return [
        (need.name, str(each.name))
        for section in elf.iter_sections()
        if isinstance(section, GNUVerNeedSection)
        for need, versions in section.iter_versions()
        for each in versions
    ]


def _defined(data: bytes) -> frozenset[str]:
    """The versions that a library has."""
    return frozenset(
        str(each.name)
        for section in ELFFile(BytesIO(data)).iter_sections()
        if isinstance(section, GNUVerDefSection)
        for _, names in section.iter_versions()
        for each in names
    )
