"""What the interpreter is tuned by, counted anew: an interpreter that counts, the gateway's load on it, one profile.

Needed after a new version of CPython or of the compiler; a profile that is a little old costs a little speed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from runtime.build import build_counting
from runtime.errors import RuntimeUnavailable, ToolMissing
from runtime.pins import Pins
from runtime.recipes import BUILD

LLVM = Path("/usr/lib/llvm-19")
"""Its counts are read by the pinned compiler, which is one version further and has no such tools itself."""
LIBRARY = f"lib/clang/19/lib/linux/libclang_rt.profile-{BUILD.partition('-')[0]}.a"
MERGE = "bin/llvm-profdata"


def count_anew(
    pins: Pins, work: Path, root: Path, target: Path, jobs: int, say: Callable[[str], None], llvm: Path = LLVM
) -> None:
    """Replaces `target` by what the load of the checkout `root` runs of the interpreter. Raises RuntimeUnavailable, and
    then leaves it as it was."""
    for tool, package in ((LIBRARY, "libclang-rt-19-dev"), (MERGE, "llvm-19")):
        if not (llvm / tool).exists():
            raise ToolMissing(f"Counting needs {llvm / tool} (package {package}).")
    interpreter = build_counting(llvm / LIBRARY, pins, work, jobs, say)
    say("the gateway under its load")
    with tempfile.TemporaryDirectory(prefix="profile-", dir=work) as folder:
        _run([sys.executable, "-m", "tests.bench.training", str(interpreter), folder], root)
        merge(sorted(Path(folder).glob("*.profraw")), target, llvm)


def merge(counts: Sequence[Path], target: Path, llvm: Path = LLVM) -> None:
    """Replaces `target` by these counts, added up. Raises RuntimeUnavailable, and then leaves it as it was."""
    if not counts:
        raise RuntimeUnavailable("The gateway ran, and no process of it left its counts.")
    merged = counts[0].with_name("merged.profdata")
    _run([str(llvm / MERGE), "merge", "--sparse", "-o", str(merged), *map(str, counts)], merged.parent)
    target.write_bytes(merged.read_bytes())


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeUnavailable(f"{' '.join(command[:3])} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
