"""The writer's promise on real filesystems that are full or read-only, without the right to write, and when killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.real
def test_a_writer_that_is_killed_leaves_old_or_new(tmp_path: Path) -> None:
    target = tmp_path / "usage.json"
    script = """
        import itertools, pathlib, sys
        from media.writer import write_document
        for data in itertools.cycle([b"a" * 200_000, b"b" * 200_000]):
            write_document(pathlib.Path(sys.argv[1]), data, replace=True)
            print("written", flush=True)
    """
    delays = random.Random(7)
    for _ in range(8):
        command = [sys.executable, "-c", textwrap.dedent(script), str(target)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"written\n"
            time.sleep(delays.uniform(0, 0.02))
            writer.send_signal(signal.SIGKILL)
        assert target.read_bytes() in (b"a" * 200_000, b"b" * 200_000)


can_mount = (
    os.geteuid() == 0
    and subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"], check=False, capture_output=True
    ).returncode
    == 0
)
needs_mount = pytest.mark.skipif(not can_mount, reason="mounting a filesystem of one's own needs root")


def on_a_tmpfs(folder: Path, options: str, script: str) -> str:
    """What `script` prints, run with `folder` a fresh tmpfs that nobody else sees, and helpers at hand."""
    prelude = f"""
        import os, pathlib, subprocess
        from media.errors import MediaError
        from media.writer import write_document
        folder = pathlib.Path({str(folder)!r})
        target = folder / "usage.json"
        def attempt(data, **options):
            try:
                written = write_document(target, data, **options)
            except MediaError as refusal:
                return refusal.code
            return "already there" if written.already_there else "written"
        def left():
            return {{entry.name: entry.stat().st_size for entry in folder.iterdir()}}
    """
    mount = f'mount -t tmpfs -o {options} tmpfs "$1" && exec "$2" -c "$3"'
    program = textwrap.dedent(prelude) + textwrap.dedent(script)
    command = ["unshare", "--mount", "sh", "-c", mount, "sh", str(folder), sys.executable, program]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout


@pytest.mark.real
@needs_mount
def test_a_full_medium_keeps_the_old_document(tmp_path: Path) -> None:
    printed = on_a_tmpfs(
        tmp_path,
        "size=64k",
        """
        print(attempt(b"o" * 8192))
        print(attempt(b"n" * 1_000_000, replace=True), left())
        print(attempt(b"n" * 60_000, replace=True), left())
        print(target.read_bytes() == b"o" * 8192)
        print(attempt(b"n" * 40_000, replace=True), left())
        """,
    )
    assert printed.splitlines() == [
        "written",
        "media_full {'usage.json': 8192}",
        "media_full {'usage.json': 8192}",
        "True",
        "written {'usage.json': 40000}",
    ]


@pytest.mark.real
@needs_mount
def test_a_medium_without_a_free_entry_is_full(tmp_path: Path) -> None:
    printed = on_a_tmpfs(
        tmp_path, "nr_inodes=2", "print(attempt(b'one')); print(attempt(b'two', replace=True), left())"
    )
    assert printed.splitlines() == ["written", "media_full {'usage.json': 3}"]


@pytest.mark.real
@needs_mount
def test_a_read_only_medium_is_named_as_such_and_what_it_holds_may_be_asked_for_again(tmp_path: Path) -> None:
    printed = on_a_tmpfs(
        tmp_path,
        "size=1m",
        """
        print(attempt(b"one"))
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        print(attempt(b"two", replace=True), left())
        print(attempt(b"two"), left())
        print(attempt(b"one"), left())
        target = folder / "other.json"
        print(attempt(b"one"), left())
        """,
    )
    assert printed.splitlines() == [
        "written",
        "media_read_only {'usage.json': 3}",
        "media_already_there {'usage.json': 3}",
        "already there {'usage.json': 3}",
        "media_read_only {'usage.json': 3}",
    ]


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_folder_that_may_not_be_written_to_is_a_refusal(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o755)
    script = """
        import os, pathlib, sys
        from media.errors import WriteFailed
        from media.writer import write_document
        os.chdir(sys.argv[1])
        os.setgroups([])
        os.setuid(65534)
        try:
            write_document(pathlib.Path("usage.json"), b"x")
        except WriteFailed as refusal:
            print(refusal)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout
    assert printed == "usage.json: Could not create a file: Permission denied.\n"
    assert list(folder.iterdir()) == []
