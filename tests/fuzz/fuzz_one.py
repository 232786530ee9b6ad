"""Fuzzes one target in this process, with coverage: `python -m tests.fuzz.fuzz_one TARGET [libFuzzer's options]`."""

from __future__ import annotations

import importlib
import sys

INSTRUMENTED = ["licensing", "media", "appliance.config", "appliance.ledger", "yaml", "json"]


def main() -> None:
    # No import by name: what it brings is installed by `make fuzz` alone.
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=INSTRUMENTED):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, targets[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
