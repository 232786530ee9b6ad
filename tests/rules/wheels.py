"""What a wheel holds. As a command it prints the customer's wheel, for `shipped_modules.txt`:

    .venv/bin/python -m tests.rules.wheels > tests/rules/shipped_modules.txt

Look at the difference before committing it: whatever is on that list reaches every customer.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

from tests.rules.tree import ROOT

REVIEWED = ROOT / "tests" / "rules" / "shipped_modules.txt"
CUSTOMER, VENDOR = ROOT, ROOT / "packaging" / "vendor"


def build(source: Path, into: Path) -> Path:
    """The wheel of this project, built as `make wheels` does."""
    command = [sys.executable, "-m", "build", "-q", "--no-isolation", "--wheel", "--outdir", str(into), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr or done.stdout)
    (wheel,) = into.glob("*.whl")
    return wheel


def members(wheel: Path) -> list[str]:
    """The files that the wheel installs, without the wheel's own metadata."""
    return sorted(name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name)


def metadata(wheel: Path) -> dict[str, list[str]]:
    """The fields of the wheel's METADATA, each with all its values."""
    archive = zipfile.ZipFile(wheel)
    (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
    message = Parser().parsestr(archive.read(name).decode("utf-8"))
    return {field: [str(value) for value in message.get_all(field, [])] for field in set(message.keys())}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write("\n".join(members(build(CUSTOMER, Path(folder)))) + "\n")
