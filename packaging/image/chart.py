"""The Helm chart as one file, with the image's digest in it: what is installed is what was built with it.

Promise: the same chart, facts and digest give the same bytes. Only three lines are filled in: the version (twice, in
Chart.yaml) and the image's digest and machine (in values.yaml); a chart that lacks a place for one is refused.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from bundle.errors import BundleRefused
from bundle.facts import Facts
from bundle.manifest import ordered
from image.pins import DEBIAN

NAME = "ao-appliance"


def chart_name(facts: Facts) -> str:
    return f"{NAME}-{facts.version}-linux-{facts.arch}.chart.tgz"


def filled(chart: Path, facts: Facts, digest: str) -> Mapping[str, bytes]:
    """Every file of the chart by its name in it. Raises BundleRefused."""
    files = {path.relative_to(chart).as_posix(): path.read_bytes() for path in ordered(chart) if path.is_file()}
    places = {
        "Chart.yaml": {
            "version: 0.0.0": f"version: {facts.version}",
            'appVersion: "0"': f'appVersion: "{facts.version}"',
        },
        "values.yaml": {'digest: ""': f'digest: "{digest}"', 'arch: ""': f'arch: "{DEBIAN[facts.arch]}"'},
    }
    for name, lines in places.items():
        text = files[name].decode()
        for line, said in lines.items():
            if text.count(f"{line}\n") != 1:
                raise BundleRefused(f"{name} of the chart has no one place for {line!r}.")
            text = text.replace(f"{line}\n", f"{said}\n")
        files[name] = text.encode()
    return files


def pack_chart(chart: Path, facts: Facts, digest: str, epoch: int, into: Path) -> Path:
    """Writes the chart below `into`; one of the same name is replaced as a whole."""
    into.mkdir(parents=True, exist_ok=True)
    target = into / chart_name(facts)
    made = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=made, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(filled(chart, facts, digest).items(), key=lambda each: each[0] != "Chart.yaml"):
            member = tarfile.TarInfo(f"{NAME}/{name}")
            member.size, member.mode, member.mtime = len(content), 0o644, epoch
            archive.addfile(member, io.BytesIO(content))
    making = into / f".{target.name}.making"
    making.write_bytes(made.getvalue())
    making.replace(target)
    return target
