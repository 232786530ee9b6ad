"""What of the wheels and of CPython no release needs, each with its reason. Pure: names in, a decision out."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

LEFT_OUT: Mapping[str, str] = {
    "botocore/data/*": "Models of 400 services; the gateway takes the signer and the event stream, which read none.",
    "*.dist-info/RECORD": "It lists what the wheel held; MANIFEST lists what the release holds.",
    "*.dist-info/INSTALLER": "Nothing was installed.",
    "*.pyi": "Types for a checker; nothing reads them when running.",
    "*/tests/*": "Tests of others.",
    "*.pyx": "What compiled modules were made of.",
    "*.pxd": "What compiled modules were made of.",
    "cffi/_*.h": "Headers for building extensions.",
    "ensurepip/*": "Nothing is ever installed into a release.",
    "venv/*": "No environment is ever made from a release.",
    "pydoc_data/*": "Help topics of the interactive interpreter.",
    "site-packages/README.txt": "Only that the folder exists.",
}

NOT_TAKEN: Mapping[str, str] = {
    "faker": "Made-up data for polyfactory.",
    "polyfactory": "Litestar's made-up examples in an OpenAPI description; imported only where they are asked for.",
    "rich-click": "Litestar's own command line, which nothing here starts.",
    "rich": "Of that command line.",
    "pygments": "Of that command line.",
    "markdown-it-py": "Of that command line.",
    "mdurl": "Of that command line.",
}
"""Whole distributions that a dependency demands and nothing that ships imports."""


def is_taken(distribution: str) -> bool:
    return distribution not in NOT_TAKEN


def is_shipped(path: PurePosixPath) -> bool:
    """Whether a file, by its place below `lib/` or below the runtime's library, belongs into a release."""
    return not any(fnmatchcase(path.as_posix(), pattern) for pattern in LEFT_OUT)
