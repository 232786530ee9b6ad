"""That one exchange is counted in one usage file, shown without showing any other.

Promise: pure. A proof is signed by nobody and needs nobody's word: it holds exactly when the exchange's own bytes hash
up to its row's `entries_root`, and the row up to the tree's root, in a usage file that the site signed. How many leaves
a tree has is taken from that file, never from the proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from licensing.document import Claims, Count, Digest, SiteId, Verified, first_fault
from licensing.errors import Malformed, WrongAudience, WrongKind
from licensing.merkle import inclusion_path, root_by_path
from licensing.strict_json import canonical, load_object
from licensing.usage import Row, Usage

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class InclusionPath(Claims):
    """Which leaf of how many, and the hashes beside its way up, lowest first."""

    index: Count
    size: Count
    hashes: Annotated[tuple[Hash, ...], Field(max_length=64)]

    def leads_to(self, leaf: bytes, root: str, size: int) -> bool:
        """Whether this leaf is among the `size` that the root (`sha256:…`) is over, where the path says."""
        found = root_by_path(leaf, self.index, self.size, (bytes.fromhex(each) for each in self.hashes))
        return self.size == size and found is not None and "sha256:" + found.hex() == root


class UsageProof(Claims):
    """`file` is the digest of the usage file's body; `entry` the exchange's ledger columns, which are its leaf."""

    kind: Literal["usage-proof"] = "usage-proof"
    schema_version: int = Field(default=1, alias="schema", ge=1, le=1)
    site: SiteId
    seq: int = Field(ge=1)
    file: Digest
    entry: dict[str, str | int | None]
    row: Row
    entry_path: InclusionPath
    row_path: InclusionPath

    def to_bytes(self) -> bytes:
        """Canonical JSON and a newline."""
        return canonical(self.model_dump(mode="json", by_alias=True)) + b"\n"


def make_proof(usage: Verified[Usage], row_index: int, leaves: Sequence[bytes], index: int) -> UsageProof:
    """The proof for exchange `index` of row `row_index`, whose exchanges are all of `leaves`, in the row's order.

    Raises IndexError where there is no such row or exchange.
    """
    claims = usage.claims
    return UsageProof(
        site=claims.site,
        seq=claims.seq,
        file=usage.digest,
        entry=load_object(leaves[index]),
        row=claims.rows[row_index],
        entry_path=_path(leaves, index),
        row_path=_path([row.leaf() for row in claims.rows], row_index),
    )


def read_proof(data: bytes) -> UsageProof:
    """What a proof says, which is not yet shown. Raises Malformed, WrongKind."""
    members = load_object(data)
    if (members.get("kind"), members.get("schema")) != ("usage-proof", 1):
        raise WrongKind("The document is not a usage proof in schema 1.")
    try:
        return UsageProof.model_validate_json(canonical(members))
    except ValidationError as exc:
        raise Malformed(f"The proof is not well-formed: {first_fault(exc)}.") from exc
    except RecursionError as exc:
        raise Malformed("The proof is nested too deeply.") from exc


def require_proven(proof: UsageProof, usage: Verified[Usage]) -> None:
    """Returns when the exchange is in this file. Raises WrongAudience for a proof about another file, Malformed where
    it does not hold."""
    claims = usage.claims
    if (proof.site, proof.seq, proof.file) != (claims.site, claims.seq, usage.digest):
        raise WrongAudience(
            f"The proof is about file {proof.seq} of site {proof.site!r} ({proof.file[:19]}…), not about this one.",
            remedy="Give the usage file that the proof names.",
        )
    if not proof.row_path.leads_to(proof.row.leaf(), claims.tree.root, len(claims.rows)):
        raise Malformed("The row that the proof shows is not in this usage file.")
    if not proof.entry_path.leads_to(canonical(proof.entry), proof.row.entries_root, proof.row.counts.requests):
        raise Malformed("The exchange that the proof shows is not among those of its row.")


def _path(leaves: Sequence[bytes], index: int) -> InclusionPath:
    hashes = tuple(each.hex() for each in inclusion_path(leaves, index))
    return InclusionPath(index=index, size=len(leaves), hashes=hashes)
