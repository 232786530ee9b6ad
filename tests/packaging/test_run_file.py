"""The file that is carried in: under every shell, it runs what is whole, and only that, where it can."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from bundle.run_file import pack
from tests.packaging.small_tree import FACTS, small_tree, write

SHELLS: Sequence[tuple[str, ...]] = (("dash",), ("bash", "--posix"), ("busybox", "sh"))
EPOCH = 1_700_000_000
SCRIPT_END = b"esac\nexit 0\n"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    return pack(small_tree(folder / "tree"), FACTS, EPOCH, folder)


def ran(
    file: Path, *arguments: str, shell: Sequence[str] = ("dash",), env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    surroundings = {name: value for name, value in os.environ.items() if name != "TMPDIR"} | (env or {})
    return subprocess.run(
        [*shell, str(file), *arguments], env=surroundings, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("shell", SHELLS, ids=lambda each: each[0])
def test_it_installs_with_the_options_it_was_given_and_leaves_nothing(
    packed: Path, shell: Sequence[str], tmp_path: Path
) -> None:
    done = ran(packed, "--root", "a b", "--dry-run", shell=shell, env={"TMPDIR": str(tmp_path), "AO_TEST_EXIT": "43"})
    assert done.returncode == 43, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "ran:install --root a b --dry-run"
    assert lines[1].startswith(f"in:{tmp_path}/")
    assert lines[2] == "mode:700"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS, ids=lambda each: each[0])
def test_it_is_whole_and_unpacks_as_it_was_packed(packed: Path, shell: Sequence[str], tmp_path: Path) -> None:
    assert "the archive is whole" in ran(packed, "--verify-only", shell=shell).stdout
    out = tmp_path / "out"
    assert ran(packed, "--extract", str(out), shell=shell).returncode == 0
    assert subprocess.run(["sha256sum", "--quiet", "-c", "MANIFEST"], cwd=out, check=False).returncode == 0
    assert (out / "bin/ao").stat().st_mode & 0o777 == 0o755
    assert (out / "bin/ao").stat().st_mtime == EPOCH


@pytest.mark.parametrize("shell", SHELLS, ids=lambda each: each[0])
@pytest.mark.parametrize("how", ["a byte changed", "cut short", "a byte more"])
def test_what_is_not_whole_does_nothing(packed: Path, shell: Sequence[str], how: str, tmp_path: Path) -> None:
    data = bytearray(packed.read_bytes())
    if how == "a byte changed":
        data[-40] ^= 1
    file = write(
        tmp_path, "damaged.run", bytes(data[:-9] if how == "cut short" else data + b"x" * (how[-4:] == "more"))
    )
    out = tmp_path / "out"
    for arguments in (("--verify-only",), ("--extract", str(out)), ("--yes",), ("--preflight",)):
        done = ran(file, *arguments, shell=shell, env={"TMPDIR": str(tmp_path)})
        assert (done.returncode, done.stdout) == (50, ""), done
        assert "The file is damaged" in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["damaged.run"]


def test_preflight_and_help_are_asked_of_the_release(packed: Path, tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path)}
    assert ran(packed, "--preflight", "--json", env=env).stdout.splitlines()[0] == "ran:preflight --json"
    assert ran(packed, "--install-help", env=env).stdout.splitlines()[0] == "ran:install --help"
    told = ran(packed, "--help", env=env)
    assert told.returncode == 0
    assert "AO Appliance 9.8.7 for Linux on x86_64" in told.stdout
    assert "ran:" not in told.stdout


def test_a_folder_that_holds_something_is_not_unpacked_into(packed: Path, tmp_path: Path) -> None:
    write(tmp_path, "mine", "x")
    done = ran(packed, "--extract", str(tmp_path))
    assert done.returncode == 2
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


def test_it_says_that_the_host_is_another_machine(packed: Path, tmp_path: Path) -> None:
    uname = write(tmp_path, "bin/uname", "#!/bin/sh\necho riscv64\n", mode=0o755)
    done = ran(packed, env={"PATH": f"{uname.parent}:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout) == (40, "")
    assert "This is the release for x86_64; this host is riscv64." in done.stderr


def test_it_says_which_program_the_host_lacks(packed: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "tar", "gzip", "df", "tail", "wc", "cat", "rm"):
        (programs / name).symlink_to(shutil.which(name) or "")
    done = ran(packed, shell=(shutil.which("dash") or "",), env={"PATH": str(programs)})
    assert (done.returncode, done.stdout) == (40, "")
    assert "This host has no sha256sum" in done.stderr


@pytest.mark.real
def test_where_it_has_no_room_or_may_not_run_it_says_so_and_takes_the_next(packed: Path, tmp_path: Path) -> None:
    """Real file systems, in a mount namespace of its own: one without room, one from which nothing may be run."""
    full, noexec, good = (tmp_path / name for name in ("full", "noexec", "good"))
    for each in (full, noexec, good):
        each.mkdir()
    script = f"""
        mount -t tmpfs -o size=8k tmpfs {full} && mount -t tmpfs -o noexec tmpfs {noexec} || exit 9
        for place in {full} {noexec} /dev/null; do sh {packed} --unpack-in $place --yes; echo "code:$?"; done
        ls -A {full} {noexec}
        TMPDIR={noexec} sh {packed} --next
        sh {packed} --unpack-in {good} --yes
    """
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[:3] == ["code:40"] * 3, done
    assert f"{full} has 8 KiB of the" in done.stderr
    assert f"{noexec} is mounted so that no program may be run from it (noexec)" in done.stderr
    assert "/dev/null is not a folder that can be written to" in done.stderr
    assert lines[3:6] == [f"{full}:", "", f"{noexec}:"]
    assert lines[6] == "ran:install --next"
    assert lines[7].startswith("in:/var/tmp/")
    assert lines[9:11] == ["ran:install --yes", lines[10]]
    assert lines[10].startswith(f"in:{good}/")
    assert list(good.iterdir()) == []


def test_the_same_tree_gives_the_same_bytes_whatever_its_dates(packed: Path, tmp_path: Path) -> None:
    tree = small_tree(tmp_path / "tree")
    for each in tree.rglob("*"):
        os.utime(each, (1, 1))
    assert pack(tree, FACTS, EPOCH, tmp_path).read_bytes() == packed.read_bytes()


def test_its_header_is_a_script_that_ends_where_the_archive_begins(packed: Path) -> None:
    script, end, archive = packed.read_bytes().partition(SCRIPT_END)
    assert script.startswith(b"#!/bin/sh\n")
    assert end
    assert archive.startswith(b"\x1f\x8b\x08")
    assert b"@" not in script.replace(b'"$@"', b"")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda each: each[0])
def test_on_a_host_that_cannot_run_it_the_reason_is_a_sentence(shell: Sequence[str], tmp_path: Path) -> None:
    """As where the C library is older, or a library is lacking: its Python cannot even begin, or cannot load."""
    tree = small_tree(tmp_path / "tree")
    fault = "OSError: libgcc_s.so.1: cannot open shared object file"
    write(tree, "runtime/bin/python3", f"#!/bin/sh\necho Traceback: >&2\necho '{fault}' >&2\nexit 1\n", mode=0o755)
    done = ran(pack(tree, FACTS, EPOCH, tmp_path), shell=shell, env={"TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stdout) == (40, "")
    assert done.stderr.startswith(f"The release cannot run on this host: {fault}\n")
    assert "glibc 2.28" in done.stderr
    assert list(tmp_path.glob("ao-unpacked*")) == []
