"""What stops an image or a chart from being made, each in one sentence.

BundleRefused (bundle/errors.py)
├── PackageUnavailable  a pinned package cannot be had, or is not the one that was pinned
└── ImageClosed         what was assembled must not be shipped: every finding is named
"""

from __future__ import annotations

from bundle.errors import BundleRefused, GateClosed


class PackageUnavailable(BundleRefused):
    pass


class ImageClosed(GateClosed):
    pass
