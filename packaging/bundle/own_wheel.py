"""The customer's own wheel, built from this tree: the appliance, and nothing of the vendor's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bundle.errors import BundleRefused


def build(root: Path, into: Path, *, epoch: int) -> Path:
    """The wheel, with every date in it set to `epoch`. Raises BundleRefused with the builder's words."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)],
        cwd=root,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BundleRefused(f"The customer's wheel cannot be built: {(done.stderr or done.stdout).strip()}")
    (wheel,) = into.glob("ao_appliance-*.whl")
    return wheel
