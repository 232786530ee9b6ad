"""`python -m tests.fuzz --seconds 30`: every target in turn, each in a process of its own; 1 where anything was found.

What was found is written to tests/fuzz/crashers/, where the ordinary suite gives it to the same function from then on.
What was learnt of the way there (the corpus) is kept in .bench/fuzz/ for the next time on this machine; `--keep` puts
inputs of it that reached something new into tests/fuzz/corpus/, for every machine and for the ordinary suite.
"""

from __future__ import annotations

import argparse
import base64
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import CORPUS, TARGETS, kept

CRASHERS = Path(__file__).parent / "crashers"
OUTPUT = Path(__file__).resolve().parents[2] / ".bench" / "fuzz"
INPUT_SECONDS = 10
"""An input that takes longer is a finding."""
MEMORY_MIB = 1024
KEPT, KEPT_SIZE = 24, 2048
"""So many inputs of a target are kept in the tree, the largest of those of at most so many bytes."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="for each target (default 30)")
    parser.add_argument("--keep", action="store_true", help="fuzz nothing; write tests/fuzz/corpus/ anew")
    parser.add_argument(
        "targets", nargs="*", choices=[[], *TARGETS], help="which ones; all of them where none is named"
    )
    return parser.parse_args()


def prepare(name: str) -> tuple[Path, Path]:
    """The folder of what is known so far, and a dictionary of the words that its seeds are made of."""
    corpus = OUTPUT / name
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = TARGETS[name].seeds()
    for number, seed in enumerate([*seeds, *kept(name)]):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = {word for seed in seeds for word in re.findall(rb'"?[A-Za-z_]{3,24}"?', seed[:8192])}
    quoted = (b'"' + word.replace(b'"', b'\\"') + b'"\n' for word in sorted(words))
    dictionary = OUTPUT / f"{name}.dict"
    dictionary.write_bytes(b"".join(quoted))
    return corpus, dictionary


def fuzz(name: str, seconds: int) -> bool:
    """Whether nothing was found."""
    corpus, dictionary = prepare(name)
    CRASHERS.mkdir(exist_ok=True)
    before = set(CRASHERS.iterdir())
    command = [
        sys.executable, "-m", "tests.fuzz.fuzz_one", name, str(corpus), f"-dict={dictionary}",
        f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={TARGETS[name].limit}", f"-artifact_prefix={CRASHERS}/{name}-",
        "-print_final_stats=1", "-verbosity=1",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    log = OUTPUT / f"{name}.log"
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    found = sorted(set(CRASHERS.iterdir()) - before)
    runs = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    word = "clean" if done.returncode == 0 else f"FOUND {', '.join(each.name for each in found) or 'a fault'}"
    print(f"{name:14} {int(runs[1]) if runs else 0:>9,} runs  {word}", flush=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).splitlines()
        start = next(
            (at for at, line in enumerate(said) if "Uncaught Python exception" in line), max(0, len(said) - 12)
        )
        print("\n".join(f"    {line[:200]}" for line in said[start : start + 12]) + f"\n    (all: {log})", flush=True)
    return done.returncode == 0


def keep(name: str) -> bool:
    """Puts inputs of a corpus into the tree. The fuzzer stored each because it reached something new."""
    corpus, _ = prepare(name)
    learnt = {file.read_bytes() for file in corpus.iterdir() if file.stat().st_size <= KEPT_SIZE}
    chosen = sorted(learnt.difference(TARGETS[name].seeds()), key=lambda data: (len(data), data))[-KEPT:]
    CORPUS.mkdir(exist_ok=True)
    lines = "".join(f"{base64.b64encode(data).decode()}\n" for data in chosen)
    (CORPUS / f"{name}.txt").write_text(lines, encoding="ascii")
    print(f"{name:14} {len(chosen):>3} of {len(learnt)} kept", flush=True)
    return bool(chosen)


def main() -> int:
    asked = arguments()
    if asked.keep:
        kept_of = [keep(name) for name in asked.targets or TARGETS]
        return 0 if all(kept_of) else 1
    results = [fuzz(name, asked.seconds) for name in asked.targets or TARGETS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
