"""A release of four files, and a root of a few, for what has to be tried hundreds of times.

Its `ao` is a program that answers what the installer asks of a release, with a text file for a state: a line each for
its schema and its exchanges. (The real ones meet in tests/real/test_appliance_on_hosts.py.)
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

AO = """#!{python} -I
import json, os, pathlib, shutil, sys
words = [each for each in sys.argv[1:]]
state = pathlib.Path(words[words.index("--state-dir") + 1]) / "ao.db" if "--state-dir" in words else None
lines = state.read_text().split() if state and state.is_file() else None
books = lambda: {{"schema": int(lines[0]), "entries": len(lines) - 1, "tokens": 0, "files": 0, "chain": ""}}
def write():
    fresh = state.with_name(".ao.db.fresh")
    fresh.write_text("\\n".join(lines)); fresh.replace(state)
if words[:2] == ["state", "schema"]:
    said = {{"newest": {schema}, "returns_to": {returns_to}, "of_state": int(lines[0]) if lines else None}}
elif words[:2] == ["state", "check"]:
    if int(lines[0]) > {schema}:
        print(json.dumps({{"error": {{"code": "state_damaged", "message": "newer."}}}})); sys.exit(43)
    lines[0] = str({schema}); write()
    if {fails}:
        print(json.dumps({{"error": {{"code": "made_to_fail", "message": "It was made to."}}}})); sys.exit(1)
    said = {{"books": books(), "licence": {{"serves": True, "sentence": "."}}}}
elif words[:2] == ["state", "copy"]:
    shutil.copy(state, words[2]); said = {{"books": books()}}
elif words[:2] == ["state", "return"]:
    lines[0] = str({schema}); write(); said = {{"books": books(), "kept": None}}
elif words[0] == "units":
    said = {{"units": {{"/etc/systemd/system/ao.service": "# {version}\\n"}}}}
elif words[:2] == ["usage", "export"]:
    said = {{"files": []}}
else:
    said = {{}}
print(json.dumps(said))
"""


def release(
    folder: Path,
    version: str,
    *,
    schema: int = 1,
    returns_to: int = 1,
    fails: bool = False,
    upgrades_from: str = "0.1.0",
    arch: str | None = None,
) -> Path:
    """A tree that is what its MANIFEST says."""
    facts = {
        "version": version,
        "arch": arch or os.uname().machine,
        "upgrades_from": upgrades_from,
        "schemas": {"state": schema, "documents": 1},
        "what a later one adds": True,
    }
    ao = AO.format(python=sys.executable, schema=schema, returns_to=returns_to, fails=fails, version=version)
    files = {"bin/ao": ao, "lib/a.py": "a = 1\n", "lib/sub/b.py": "b = 2\n", "facts.json": json.dumps(facts)}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bin/ao").chmod(0o755)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    (folder / "MANIFEST").write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    return folder


def root(folder: Path, systemd: int = 252) -> Path:
    """What of a distribution the installer looks at or writes beside."""
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": "root:x:0:\n",
        "etc/shadow": "root:*:20000:0:99999:7:::\n",
        "etc/gshadow": "root:*::\n",
        "etc/login.defs": "SYS_UID_MIN 100\nSYS_UID_MAX 999\nSYS_GID_MIN 100\nSYS_GID_MAX 999\nUSERGROUPS_ENAB yes\n",
        "etc/systemd/system/keep.me": "",
    }
    if systemd:
        files[f"usr/lib/systemd/libsystemd-shared-{systemd}.so"] = ""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "opt").mkdir()
    (folder / "var/lib").mkdir(parents=True)
    return folder
