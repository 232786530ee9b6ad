"""A release of four files, and a root of a few, for what has to be tried hundreds of times.

Its `ao` is a program that answers what the installer asks of a release, with a text file for a state: a line each for
its schema and its exchanges. (The real ones meet in tests/real/hosts.)
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

AO = """#!/bin/sh
# A shell's, because the user `ao` cannot reach every Python.
act="$1 $2" third=$3 fourth=$4 dir=/nowhere against=
while [ $# -gt 0 ]; do case $1 in --state-dir) dir=$2 ;; --against) against=$2 ;; esac; shift; done
state=$dir/ao.db
[ -f "$state" ] && set -- $(cat "$state")
write() { printf '%s' "$*" >"$dir/.fresh" && mv "$dir/.fresh" "$state"; }
refuse() { printf '{"error": {"code": "%s", "message": "%s"}}' "$1" "$2"; exit 43; }
books() { printf '"books": {"schema": %s, "entries": %s, "tokens": 0, "files": 0, "chain": ""}' "$1" $(($# - 1)); }
case $act in
  "state schema") printf '{"newest": @SCHEMA@, "returns_to": @RETURNS@, "of_state": %s}' "${1:-null}" ;;
  "state check")
    [ "$1" -le @SCHEMA@ ] || refuse state_damaged "It is newer."
    shift; set -- @SCHEMA@ "$@"; @MIGRATES@; write "$@"
    [ @FAILS@ = no ] || refuse made_to_fail "It was made to."
    missing=0
    for each in $(sed 's/^[0-9]*//' "${against:-/dev/null}"); do
      case " $* " in *" $each "*) ;; *) missing=$((missing + 1)) ;; esac
    done
    printf '{%s, "missing": {"exchanges": %s}, "licence": {"serves": @SERVES@, "sentence": "It does not."}}' \
      "$(books "$@")" "$missing" ;;
  "state copy") cp "$state" "$third"; printf '{%s}' "$(books "$@")" ;;
  "state return")
    # As the real one does: what is put back is the copy, and the journal brings the rest.
    [ "$third" != --from ] || set -- $(cat "$fourth") $(cat "$dir/journal" 2>/dev/null)
    shift; set -- @SCHEMA@ "$@"; write "$@"; printf '{%s, "kept": null}' "$(books "$@")" ;;
  "units "*) printf '{"units": {"/etc/systemd/system/ao.service": "# @VERSION@ "}}' ;;
  "usage export") printf '{"files": []}' ;;
  *) printf '{}' ;;
esac
"""


def release(
    folder: Path,
    version: str,
    *,
    schema: int = 1,
    returns_to: int = 1,
    fails: bool = False,
    loses: bool = False,
    serves: bool = True,
    upgrades_from: str = "0.1.0",
    arch: str | None = None,
) -> Path:
    """A tree that is what its MANIFEST says. `loses`: an exchange, when it takes up a state; `serves`: the licence."""
    facts = {
        "version": version,
        "arch": arch or os.uname().machine,
        "upgrades_from": upgrades_from,
        "schemas": {"state": schema, "documents": 1},
        "what a later one adds": True,
    }
    told = {
        "SCHEMA": schema,
        "RETURNS": returns_to,
        "FAILS": "yes" if fails else "no",
        "VERSION": version,
        "MIGRATES": 'shift 2; set -- @SCHEMA@ "$@"' if loses else ":",
        "SERVES": str(serves).lower(),
    }
    ao = AO
    for name, value in reversed(told.items()):
        ao = ao.replace(f"@{name}@", str(value))
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
