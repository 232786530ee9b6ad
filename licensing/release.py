"""The release: the vendor's word for which files are a version, what it can follow, and what state it leaves behind.

Promise: pure. Whoever installs a file holds it against an artefact here, by name, size and digest, before anything in
it runs. The serial is made from the version, so that the same version with other content is a conflict, and an older
one cannot pass for a newer.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from licensing.document import Body, Claims, Count, Digest, Timestamp, Verified
from licensing.envelope import parse
from licensing.errors import Malformed, SerialRefused, WrongAudience
from licensing.trust import Trust

Version = Annotated[str, Field(pattern=r"^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){2}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$")]
Architecture = Literal["x86_64", "aarch64"]


def serial_of(version: str) -> int:
    """The serial of a version: it rises as versions do. 1.2.3 is 1002003."""
    major, minor, patch = (int(part) for part in version.split("."))
    return (major * 1000 + minor) * 1000 + patch


class Artefact(Claims):
    """One file of the release, as it is carried in. `size` in bytes."""

    file: FileName
    arch: Architecture
    size: int = Field(ge=1, le=2**40)
    sha256: Digest


class Schemas(Claims):
    """What the release writes: the last migration of the state, and the schema of signed documents that it reads."""

    state: int = Field(ge=1, le=9999)
    documents: int = Field(ge=1, le=9999)


class Release(Body):
    """`upgrades_from`: the oldest version whose state this one takes over."""

    KIND: ClassVar[str] = "release"

    kind: Literal["release"] = "release"
    serial: Count
    version: Version
    built_at: Timestamp
    upgrades_from: Version
    schemas: Schemas
    artefacts: tuple[Artefact, ...] = Field(min_length=1, max_length=64)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.serial != serial_of(self.version):
            raise ValueError("the serial is not that of the version")
        if serial_of(self.upgrades_from) > self.serial:
            raise ValueError("it upgrades only from versions newer than itself")
        names = [each.file for each in self.artefacts]
        if len(set(names)) != len(names):
            raise ValueError("a file is listed twice")
        return self

    def artefact(self, file: str, *, size: int, digest: str) -> Artefact:
        """The artefact that a file is. Raises WrongAudience for a name it does not list, Malformed for other bytes."""
        found = next((each for each in self.artefacts if each.file == file), None)
        if found is None:
            raise WrongAudience(
                f"Release {self.version} does not list the file.",
                where=file,
                remedy="Take the release.json that was delivered with this file, and leave the file's name as it was.",
            )
        if (found.size, found.sha256) != (size, digest):
            raise Malformed(
                f"The file is not that of release {self.version}: it has {size} bytes and {digest}, the release names "
                f"{found.size} bytes and {found.sha256}.",
                where=file,
                remedy="Do not run it. Copy it again from the vendor's medium; if it stays so, call the vendor.",
            )
        return found

    def require_follows(self, version: str, *, state: int) -> None:
        """Whether a host with this version and this schema of state may take the release. Raises SerialRefused."""
        if serial_of(version) < serial_of(self.upgrades_from):
            raise SerialRefused(
                f"Release {self.version} takes over state from {self.upgrades_from} on; this host has {version}.",
                remedy=f"Upgrade to {self.upgrades_from} first.",
            )
        if state > self.schemas.state:
            raise SerialRefused(
                f"The state has schema {state}; release {self.version} knows schemas up to {self.schemas.state}.",
                remedy="Take a release that is as new as the state, or return to a backup made before the upgrade.",
            )


def open_release(data: bytes, trust: Trust) -> Verified[Release]:
    """A release signed by the role `release`. Raises Malformed, WrongKind, SignatureRefused."""
    verified = trust.verify(parse(data), role="release", payload_type=Release.payload_type())
    claims = Release.from_verified(verified)
    return Verified(claims, verified.digest, verified.signers, "release", trust.key_epoch("release"))
