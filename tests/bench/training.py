"""What the shipped interpreter is tuned by: this gateway under its load, on an interpreter that counts what it runs.

`make runtime-profile` builds that interpreter, calls this, and keeps the counts as packaging/runtime/profile.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.packaging.made import made

from .measure import CONNECTIONS, EVENTS_PER_STREAM, chat
from .processes import BenchError
from .subjects import Appliance
from .tools import LOGS, OUTPUT, Load, compile_tool, run_load, serving_upstream

SECONDS = 6.0
EXITS = "#include <stdlib.h>\nvoid _exit(int code) { exit(code); }\n"
"""A worker ends without the C library's farewell, which is when the counts are written."""


class Counting(Appliance):
    """The release, run by the interpreter that counts."""

    def __init__(self, tree: Path, environment: Mapping[str, str]) -> None:
        self._tree, self.environment = tree, environment

    @property
    def program(self) -> Path:
        return self._tree / "bin/ao"


def train(interpreter: Path, into: Path) -> None:
    """Leaves files of counts (*.profraw) in the folder `into`. Raises BenchError."""
    load_program, upstream_program = compile_tool("load", OUTPUT), compile_tool("upstream", OUTPUT)
    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(made(os.uname().machine).tree, tree, symlinks=True)
        shutil.copyfile(interpreter, tree / "runtime/bin/python3")
        counting = {"LD_PRELOAD": str(_exits(Path(folder))), "LLVM_PROFILE_FILE": f"{into}/%p.profraw"}
        with serving_upstream(upstream_program, 1, LOGS) as upstream:
            subject = Counting(tree, counting)
            with subject.serve(upstream, 0) as running:
                model = running.endpoint.model
                for stream in (False, True):
                    load = Load(
                        chat(model, stream=stream),
                        CONNECTIONS,
                        SECONDS,
                        warm_up=0.5,
                        events=EVENTS_PER_STREAM if stream else 0,
                    )
                    result = run_load(load_program, running.endpoint, load, 1, Path(folder))
                    if complaint := result.complaint():
                        raise BenchError(complaint)


def _exits(folder: Path) -> Path:
    source, library = folder / "exits.c", folder / "exits.so"
    source.write_text(EXITS, "utf-8")
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", str(source), "-o", str(library)], check=True)
    return library


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.training", description=__doc__)
    parser.add_argument("interpreter", type=Path)
    parser.add_argument("into", type=Path, help="the folder for what was counted")
    options = parser.parse_args(arguments)
    options.into.mkdir(parents=True, exist_ok=True)
    train(options.interpreter.resolve(), options.into.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
