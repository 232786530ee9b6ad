"""Bytecode beside every module, so that a tree nobody can write to starts quickly.

Each file is marked `unchecked-hash`: the interpreter trusts it without looking at the source's date, which an
installation may change. The release is checked as a whole, by MANIFEST.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from bundle.errors import BundleRefused

SHOWN_AS = "/opt/ao/current"
"""The folder that tracebacks name; the interpreter puts the true one in its place when it imports."""


def compile_tree(tree: Path, folders: tuple[Path, ...], python: Path) -> None:
    """Compiles every module below the folders with `python`, which must be the version that the tree runs.

    Same sources, same bytes: one process in one order, with a fixed hash seed. Raises BundleRefused.
    """
    command = [str(python), "-s", "-P", "-B", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    done = subprocess.run(
        [*command, "-s", str(tree), "-p", SHOWN_AS, *(str(each) for each in folders)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        raise BundleRefused(f"Not every module compiles: {(done.stdout + done.stderr).strip()[:2000]}")
