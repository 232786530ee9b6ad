"""What is signed as a release is what lies there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from licensing.release import open_release
from media.errors import AlreadyThere
from tests.licensing.vendor.vendors_desk import VendorsDesk
from tests.licensing.vendor.vendors_shell import Shell

RUN = "ao-appliance-0.2.1-linux-x86_64.run"


def described(desk: VendorsDesk, content: bytes = b"#!/bin/sh\n", **changes: Any) -> Path:
    """A build of one file, and its description."""
    desk.file(RUN, content)
    artefact = {"file": RUN, "arch": "x86_64", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = {
        "version": "0.2.1",
        "built_at": "2026-03-01T08:00:00Z",
        "upgrades_from": "0.1.0",
        "schemas": {"state": 7, "documents": 1},
        "artefacts": [artefact],
    } | changes
    return desk.file("release.unsigned.json", json.dumps(text).encode())


def test_a_build_is_signed_as_it_lies_there(shell: Shell) -> None:
    out = shell.desk.folder / "release.json"
    done = shell.json("release", "sign", described(shell.desk), "--out", out)
    assert done == {"version": "0.2.1", "serial": 2001, "file": str(out), "missing": 0}
    release = open_release(out.read_bytes(), shell.desk.trust).claims
    assert release.issued_at == release.built_at
    found = release.artefact(RUN, size=10, digest=f"sha256:{hashlib.sha256(b'#!/bin/sh' + bytes([10])).hexdigest()}")
    assert found.arch == "x86_64"


def test_signing_again_gives_the_same_document(shell: Shell) -> None:
    description = described(shell.desk)
    for name in ("once.json", "again.json"):
        shell.json("release", "sign", description, "--out", shell.desk.folder / name)
    assert (shell.desk.folder / "once.json").read_bytes() == (shell.desk.folder / "again.json").read_bytes()


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\t", b"#!/bin/sh\n\n", None])
def test_a_file_that_is_not_the_one_that_was_built_is_not_signed(shell: Shell, content: bytes | None) -> None:
    description = described(shell.desk)
    file = shell.desk.folder / RUN
    file.unlink() if content is None else file.write_bytes(content)
    out = shell.desk.folder / "release.json"
    refused = shell.json("release", "sign", description, "--out", out, code=98)
    assert refused["error"]["code"] == "release_refused"
    assert RUN in refused["error"]["where"]
    assert not out.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "next"},
        {"version": None},
        {"built_at": "yesterday"},
        {"schemas": {}},
        {"artefacts": None},
        {"artefacts": []},
        {"artefacts": ["x"]},
        {"artefacts": [{"file": RUN}]},
        {"more": 1},
    ],
)
def test_what_describes_no_release_is_not_signed(shell: Shell, changes: dict[str, Any]) -> None:
    out = shell.desk.folder / "release.json"
    refused = shell.json("release", "sign", described(shell.desk, **changes), "--out", out, code=98)
    assert refused["error"]["code"] == "release_refused"
    assert not out.exists()


def test_nothing_that_is_there_is_overwritten(shell: Shell) -> None:
    kept = shell.desk.file("release.json", b"kept")
    shell.json("release", "sign", described(shell.desk), "--out", kept, code=AlreadyThere.exit_code)
    assert kept.read_bytes() == b"kept"
