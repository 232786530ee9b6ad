"""Releases that differ from the one of this checkout: in a version, a migration, a fault."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

VERSION = "licensing/version.py"


def changed(
    tree: Path,
    out: Path,
    *,
    version: str,
    edits: Mapping[str, tuple[str, str]] | None = None,
    added: Mapping[str, str] | None = None,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Another version: in files under lib/ a text replaced by another, files added, facts told otherwise."""
    if subprocess.run(["cp", "-al", str(tree), str(out)], check=False, stderr=subprocess.DEVNULL).returncode:
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run(["cp", "-a", str(tree), str(out)], check=True)
    told = json.loads((tree / "facts.json").read_text())
    was = told["version"]
    said, says = f'__version__ = "{was}"', f'__version__ = "{version}"'
    texts = {f"lib/{VERSION}": _replaced(tree / "lib" / VERSION, said, says)}
    for name, (old, new) in (edits or {}).items():
        texts[f"lib/{name}"] = _replaced(tree / "lib" / name, old, new)
    texts |= {f"lib/{name}": text for name, text in (added or {}).items()}
    texts["facts.json"] = json.dumps({**told, "version": version, **(facts or {})})
    listed = [line.split("  ", 1) for line in (tree / "MANIFEST").read_text().splitlines()]
    lines = {name: digest for digest, name in listed}
    for name, text in texts.items():
        file = out / name
        file.unlink(missing_ok=True)  # never through the link: the other release has these very bytes
        file.write_text(text)
        lines[name] = hashlib.sha256(text.encode()).hexdigest()
        for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
            compiled.unlink()
            del lines[compiled.relative_to(out).as_posix()]
    (out / "MANIFEST").unlink()
    (out / "MANIFEST").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(lines.items())))
    return out


def _replaced(file: Path, old: str, new: str) -> str:
    text = file.read_text()
    assert text.count(old) == 1, (file, old)
    return text.replace(old, new)
