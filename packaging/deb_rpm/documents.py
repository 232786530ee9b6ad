"""What a package says of itself in /usr/share/doc and /usr/share/licenses: licence, notices, change log. Pure."""

from __future__ import annotations

import gzip
from datetime import datetime

from bundle.facts import Facts
from deb_rpm.names import PACKAGE, packaged_version, tree_of

MAINTAINER = "AO Appliance <vendor@ao-appliance.invalid>"
"""A package must name an address; the vendor's is in the contract, and none would be reached from here."""


def copyright_of(of: Facts, licence: str) -> str:
    """In the form that Debian's tools read."""
    tree = tree_of(of.version)
    text = "\n".join(f" {line}" if line.strip() else " ." for line in licence.strip().splitlines())
    return (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        f"Upstream-Name: {PACKAGE}\n"
        "Comment: The parts that others wrote are under their own licences. NOTICES.md beside this file names each of\n"
        f" them; the texts are in {tree}/licences, the bill of materials is {tree}/sbom.cdx.json.\n"
        "\n"
        "Files: *\n"
        f"Copyright: {of.built_at[:4]} AO Appliance\n"
        "License: LicenseRef-AO-Appliance\n"
        f"{text}\n"
    )


def change_log(of: Facts) -> bytes:
    """As dpkg-parsechangelog reads it, compressed to the same bytes each time."""
    built = datetime.strptime(of.built_at, "%Y-%m-%dT%H:%M:%S%z")
    text = (
        f"{PACKAGE} ({packaged_version(of.version)}) stable; urgency=medium\n"
        "\n"
        f"  * Release {of.version}. It can follow {of.upgrades_from} and newer.\n"
        "\n"
        f" -- {MAINTAINER}  {built:%a, %d %b %Y %H:%M:%S +0000}\n"
    )
    return gzip.compress(text.encode(), 9, mtime=0)
