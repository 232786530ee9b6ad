"""A runtime's archive as a folder of a release: no link in it, and no name of the folder that it was built in.

OpenSSL keeps the folder that it was configured for, and would load providers and engines from there. In the prebuilt
archives that folder lies under /tmp, where anybody may write; so its name is replaced, byte for byte as long, by a path
that only root could make. The same step removes the build machine's paths from `sysconfig`.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

from runtime.errors import RuntimeUnavailable, ToolMissing

NOWHERE = b"/nonexist"
UNUSED = ("lib/python3.13/config-", "lib/python3.13/idlelib/", "lib/python3.13/tkinter/", "lib/python3.13/turtledemo/")


def unpack(archive: Path, into: Path, *, built_in: str | None) -> None:
    """The archive's one folder becomes `into`, with `bin/python3` a plain file. Raises RuntimeUnavailable."""
    if not shutil.which("zstd"):
        raise ToolMissing("The runtime's archive is compressed with zstd, which is not here: install the package zstd.")
    try:
        with (
            subprocess.Popen(["zstd", "-dqc", str(archive)], stdout=subprocess.PIPE) as reader,
            tarfile.open(fileobj=reader.stdout, mode="r|") as members,
        ):
            for member in members:
                _place(members, member, into, built_in)
    except tarfile.TarError as exc:
        raise RuntimeUnavailable(f"The archive {archive} is damaged: {exc}.") from exc
    if reader.returncode:
        raise RuntimeUnavailable(f"The archive {archive} is damaged.")
    (interpreter,) = (into / "bin").glob("python3.*")
    interpreter.rename(into / "bin" / "python3")


def _place(members: tarfile.TarFile, member: tarfile.TarInfo, into: Path, built_in: str | None) -> None:
    inside = PurePosixPath(member.name).parts[1:]
    if ".." in inside or not member.isreg() or "__pycache__" in inside or "/".join(inside).startswith(UNUSED):
        return
    stream = members.extractfile(member)
    if stream is None:
        return
    file = into.joinpath(*inside)
    file.parent.mkdir(parents=True, exist_ok=True)
    data = stream.read()
    file.write_bytes(without_folder(data, built_in.encode()) if built_in else data)
    file.chmod(0o755 if member.mode & 0o100 else 0o644)


def without_folder(data: bytes, folder: bytes) -> bytes:
    """The same bytes, of the same length, with a folder's name replaced by one that nobody but root can make."""
    if len(folder) < len(NOWHERE):
        raise RuntimeUnavailable(f"The folder {folder.decode()!r} is too short to be replaced in a binary.")
    return data.replace(folder, NOWHERE.ljust(len(folder), b"/"))
