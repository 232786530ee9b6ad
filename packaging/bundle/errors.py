"""What stops a bundle from being made, each in one sentence.

BundleRefused
├── InputMissing        something that goes into a bundle cannot be had
└── GateClosed          what was assembled must not be shipped: every finding is named
"""

from __future__ import annotations

from collections.abc import Sequence


class BundleRefused(Exception):
    """The root: there is no bundle."""


class InputMissing(BundleRefused):
    pass


class GateClosed(BundleRefused):
    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("This must not be shipped:\n" + "\n".join(f"  {each}" for each in findings))
        self.findings = tuple(findings)
