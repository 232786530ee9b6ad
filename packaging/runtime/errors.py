"""What stops a runtime from being made. Build scripts fail with one sentence that says what to do.

RuntimeUnavailable
├── ArchiveChanged      a cached archive is not the one that the pins name
└── ToolMissing         the host lacks a program that the build needs
"""

from __future__ import annotations


class RuntimeUnavailable(Exception):
    """The root: no runtime can be had."""


class ArchiveChanged(RuntimeUnavailable):
    pass


class ToolMissing(RuntimeUnavailable):
    pass
