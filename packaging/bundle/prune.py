"""What of the wheels and of CPython no release needs, each with its reason. Pure: names in, a decision out."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

LEFT_OUT: Mapping[str, str] = {
    "botocore/data/*": "The models of 400 services; the gateway takes the signer and the event stream, which read none.",
    "*.dist-info/RECORD": "It lists what the wheel held; MANIFEST lists what the release holds.",
    "*.dist-info/INSTALLER": "Nothing was installed.",
    "*.pyi": "Types for a checker; nothing reads them when running.",
    "*/tests/*": "Tests of others.",
    "cffi/_*.h": "Headers for building extensions.",
    "ensurepip/*": "Nothing is ever installed into a release.",
    "venv/*": "No environment is ever made from a release.",
    "pydoc_data/*": "Help topics of the interactive interpreter.",
    "site-packages/README.txt": "Only that the folder exists.",
}


def is_shipped(path: PurePosixPath) -> bool:
    """Whether a file, by its place below `lib/` or below the runtime's library, belongs into a release."""
    return not any(fnmatchcase(path.as_posix(), pattern) for pattern in LEFT_OUT)
