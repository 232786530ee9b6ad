"""What the interpreter is tuned by, counted anew: an interpreter that counts, the gateway's load on it, one profile.

Needed after a new version of CPython or of the compiler; a profile that is a little old costs a little speed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from runtime.build import build_counting
from runtime.errors import RuntimeUnavailable, ToolMissing
from runtime.pins import Pins
from runtime.recipes import BUILD

LLVM = Path("/usr/lib/llvm-19")
"""Its counts are read by the pinned compiler, which is one version further and has no such tools itself."""
LIBRARY = LLVM / f"lib/clang/19/lib/linux/libclang_rt.profile-{BUILD.partition('-')[0]}.a"
MERGE = LLVM / "bin/llvm-profdata"


def count_anew(pins: Pins, work: Path, root: Path, target: Path, jobs: int, say: Callable[[str], None]) -> None:
    """Replaces `target` by what the load of the checkout `root` runs of the interpreter. Raises RuntimeUnavailable."""
    for tool, package in ((LIBRARY, "libclang-rt-19-dev"), (MERGE, "llvm-19")):
        if not tool.exists():
            raise ToolMissing(f"Counting needs {tool} (package {package}).")
    interpreter = build_counting(LIBRARY, pins, work, jobs, say)
    say("the gateway under its load")
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        _run([sys.executable, "-m", "tests.bench.training", str(interpreter), folder], root)
        counts = sorted(map(str, Path(folder).glob("*.profraw")))
        if not counts:
            raise RuntimeUnavailable("The gateway ran, and no process of it left its counts.")
        _run([str(MERGE), "merge", "--sparse", "-o", str(target), *counts], root)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeUnavailable(f"{' '.join(command[:3])} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
