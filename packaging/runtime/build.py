"""Builds the runtime from its pinned sources, for either machine, and packs it as the cache keeps it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from runtime import fetch
from runtime.errors import RuntimeUnavailable, ToolMissing
from runtime.pins import PROFILE, Pins, inputs_key
from runtime.recipes import (
    BUILD,
    PREFIX,
    TOOLS,
    WRAPPERS,
    Tuning,
    Workshop,
    counting,
    environment,
    recipe,
    tuned_by,
    wrapper,
)
from runtime.unpack import without_folder

LEFT_OUT = ("config-3.13", "idlelib", "tkinter", "turtledemo", "pydoc_data", "__pycache__", "ensurepip")


def build(arch: str, pins: Pins, folder: Path, native: Path | None, jobs: int, say: Callable[[str], None]) -> Path:
    """Makes `folder/cpython-<arch>.tar.zst`; `native` is a Python of this version that runs here, for a foreign `arch`.

    A part that is done is not made again, so an interrupted build goes on; one that other inputs made is. Raises
    RuntimeUnavailable with the last lines of what failed.
    """
    profile = folder / arch / PROFILE.name
    profile.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROFILE, profile)
    shop = _workshop(arch, pins, folder, arch, native, jobs, tuned_by(profile))
    _make_parts(shop, pins, folder, say)
    return _pack(shop, folder / f"cpython-{arch}.tar.zst")


def build_counting(library: Path, pins: Pins, folder: Path, jobs: int, say: Callable[[str], None]) -> Path:
    """The interpreter for this machine that counts what it runs. Raises RuntimeUnavailable."""
    shop = _workshop(BUILD.partition("-")[0], pins, folder, "counting", None, jobs, counting(library))
    _make_parts(shop, pins, folder, say)
    return _installed(shop) / "bin/python3.13"


def _workshop(
    arch: str, pins: Pins, folder: Path, name: str, native: Path | None, jobs: int, tuning: Tuning
) -> Workshop:
    return Workshop(arch, folder / name, fetch.compiler(pins, folder / "zig"), jobs, pins.epoch, native, tuning)


def _make_parts(shop: Workshop, pins: Pins, folder: Path, say: Callable[[str], None]) -> None:
    if missing := [f"{tool} (package {package})" for tool, package in TOOLS.items() if not shutil.which(tool)]:
        raise ToolMissing(f"The build needs {', '.join(missing)}.")
    archives = fetch.sources(pins, folder / "sources")
    _lay_wrappers(shop)
    for source in pins.sources:
        done = shop.folder / f"{source.name}-{inputs_key()}.done"
        if done.exists():
            continue
        say(f"{shop.folder.name}: {source.name} {source.version}")
        _make(source.name, archives[source.name], shop)
        done.touch()


def _installed(shop: Workshop) -> Path:
    return shop.folder / "out" / PREFIX.lstrip("/")


def _lay_wrappers(shop: Workshop) -> None:
    programs = shop.folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, tool in WRAPPERS.items():
        (programs / name).write_text(wrapper(shop, tool), "utf-8")
        (programs / name).chmod(0o755)


def _make(name: str, archive: Path, shop: Workshop) -> None:
    folder = shop.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "--strip-components=1", "-C", str(folder)], check=True)
    log = shop.folder / f"{name}.log"
    with log.open("wb") as lines:
        for command in recipe(name, shop):
            done = subprocess.run(
                command.arguments,
                cwd=folder / command.folder,
                env=environment(shop, os.environ["PATH"]),
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if done.returncode:
                last = b"\n".join(log.read_bytes().splitlines()[-15:]).decode("utf-8", "replace")
                raise RuntimeUnavailable(f"{name}: {' '.join(command.arguments[:3])} failed ({log}):\n{last}")


def _pack(shop: Workshop, target: Path) -> Path:
    """One folder, `python-<arch>`: the interpreter and its library, with no name of the folder it was built in."""
    installed = _installed(shop)
    files = [installed / "bin/python3.13"]
    for file in sorted((installed / "lib/python3.13").rglob("*")):
        parts = file.relative_to(installed / "lib/python3.13").parts
        if file.is_file() and not file.is_symlink() and not any(part.startswith(LEFT_OUT) for part in parts):
            files.append(file)
    plain = target.with_suffix("")
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            _add(archive, file, f"python-{shop.arch}/{file.relative_to(installed)}", shop)
    subprocess.run(["zstd", "-q", "-19", "-f", "--rm", str(plain), "-o", str(target)], check=True)
    return target


def _of_this_machine(shop: Workshop) -> list[Path]:
    """Folders that the build wrote into what it made; CPython notes the one that it was cross-compiled with as well."""
    return [shop.folder, *([shop.native.parents[1]] if shop.native else [])]


def _add(archive: tarfile.TarFile, file: Path, name: str, shop: Workshop) -> None:
    clean, data = shop.folder / "clean", file.read_bytes()
    for folder in _of_this_machine(shop):
        data = without_folder(data, str(folder).encode())
    clean.write_bytes(data)
    entry = tarfile.TarInfo(name)
    entry.size = clean.stat().st_size
    entry.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
    entry.mtime = shop.epoch
    with clean.open("rb") as stream:
        archive.addfile(entry, stream)
