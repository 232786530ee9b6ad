"""What Debian's own checkers say of the packages: nothing that is not known here, with the reason why it stays.

Not in the suite: two minutes. `make test-packages` runs it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from deb_rpm.build import build
from licensing.version import BUILD_TIME
from tests.packaging.made import Made
from tests.packaging.package_root import need

pytestmark = pytest.mark.timeout(900)
EPOCH = int(BUILD_TIME.timestamp())

OTHERS = "Files of others are shipped as their makers made them, byte for byte, and checked by MANIFEST."
ALONE = "The release brings its own libraries, for hosts that are old; its bill of materials names them."
LINTIAN: Mapping[str, str] = {
    "embedded-library": ALONE,
    "library-not-linked-against-libc": OTHERS,
    "shared-library-lacks-prerequisites": "Python's own modules find their symbols in the interpreter.",
    "unstripped-binary-or-object": OTHERS,
    "hardening-no-pie": "The interpreter is linked statically with OpenSSL and SQLite for every glibc from 2.28 on.",
    "package-installs-python-pycache-dir": "Nobody who runs it writes into the tree: bytecode comes with the release.",
    "script-not-executable": OTHERS,
    "unusual-interpreter": OTHERS,
}
RPMLINT: Mapping[str, str] = {
    "binary-or-shlib-calls-gethostbyname": OTHERS,
    "devel-file-in-non-devel-package": OTHERS,
    "files-duplicate": "Many modules of others are empty, and licences are alike.",
    "files-duplicated-waste": "Many modules of others are empty, and licences are alike.",
    "hidden-file-or-dir": OTHERS,
    "invalid-license": "The licence is the vendor's own; rpmlint knows a list.",
    "missing-hash-section": OTHERS,
    "no-changelogname-tag": "What changed is told by the pages of the release.",
    "no-signature": "release.json is the signature, with a threshold, and lists the package.",
    "no-soname": OTHERS,
    "no-url-tag": "A host behind the gap reaches no page; the pages are in the package.",
    "non-executable-script": OTHERS,
    "non-versioned-file-in-library-package": "It is no library, although libraries are in it.",
    "position-independent-executable-suggested": "As for lintian.",
    "unstripped-binary-or-object": OTHERS,
    "zero-length": OTHERS,
}


def test_lintian_says_nothing_that_is_not_known(made_release: Made, tmp_path: Path) -> None:
    need("lintian")
    file = build("deb", made_release.tree, made_release.facts, EPOCH, tmp_path)
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "none", "--tag-display-limit", "0", str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    compare(re.findall(r"^[EW]: ao-appliance: (\S+)(.*)$", done.stdout, re.MULTILINE), LINTIAN)


def test_rpmlint_says_nothing_that_is_not_known(made_release: Made, tmp_path: Path) -> None:
    need("rpmlint")
    file = build("rpm", made_release.tree, made_release.facts, EPOCH, tmp_path)
    done = subprocess.run(["rpmlint", str(file)], capture_output=True, text=True, check=False)
    compare(re.findall(r"^ao-appliance\S*: [EW]: (\S+)(.*)$", done.stdout, re.MULTILINE), RPMLINT)


def compare(found: list[tuple[str, str]], known: Mapping[str, str]) -> None:
    """A reason that nothing needs any more is to be taken off the list."""
    assert {(tag, about) for tag, about in found if tag not in known} == set()
    assert known.keys() - {tag for tag, _ in found} == set()
