"""Where the build finds what it needs, and keeps what it may need again. Paths and environment in, paths out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Places:
    """`runtimes`: folders that may hold a runtime's archive, the first that has it wins; the last is our own."""

    root: Path
    cache: Path
    runtimes: tuple[Path, ...]

    def lock(self, arch: str) -> Path:
        return self.root / f"packaging/locks/bundle-{arch}.txt"


def places(environment: Mapping[str, str], home: Path, root: Path = ROOT) -> Places:
    """The places of this checkout. AO_BUNDLE_CACHE and AO_RUNTIME_CACHE say otherwise."""
    cache = Path(environment.get("AO_BUNDLE_CACHE") or home / ".cache/ao-bundle")
    named = environment.get("AO_RUNTIME_CACHE")
    return Places(
        root=root,
        cache=cache,
        runtimes=(*([Path(named)] if named else []), root.parent / "shared/runtime", cache / "runtime"),
    )
