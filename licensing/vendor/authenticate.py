"""Who signed a usage file.

Promise: pure. The site that a file claims to be from only finds the keys to try; a file is genuine when the key that
this site enrolled for this epoch verifies it, and in no other case. Key ids in an envelope are unauthenticated: they
choose which key is tried and how a refusal is worded, and whatever they say, the outcome is a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from licensing.algorithms import PublicKey, digest
from licensing.envelope import Envelope, parse, verify
from licensing.errors import Refusal, SignatureRefused
from licensing.shown import shown
from licensing.strict_json import load_object
from licensing.usage import Usage, open_usage
from licensing.vendor.findings import Chain, Evidence, Finding, SiteView, Verdict


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a file says of itself before anything is verified: enough to find the key, and to name it to a person."""

    site: str | None
    epoch: int | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class Genuine:
    """A file that the key of a chain signed."""

    place: int
    chain: Chain
    usage: Usage
    digest: str
    document: bytes


def claimed_site(data: bytes) -> str | None:
    """The site that a file says it is from, to look it up by; it is not yet believed."""
    try:
        return _claim(parse(data)).site
    except Refusal:
        return None


def authenticate(
    place: int, data: bytes, views: Mapping[str, SiteView], owners: Mapping[str, tuple[str, PublicKey]]
) -> Genuine | tuple[Finding, tuple[Evidence, ...]]:
    """The file with the chain whose key signed it, or why there is none."""
    try:
        envelope = parse(data)
        claim = _claim(envelope)
    except Refusal as refusal:
        return Finding(Verdict.MALFORMED, refusal.message), ()
    if envelope.payload_type != Usage.payload_type() or claim.site is None:
        return Finding(Verdict.MALFORMED, "This is not a usage file.", claim.site, claim.seq), ()

    view = views.get(claim.site)
    candidates = [chain for chain in view.chains if chain.epoch == claim.epoch] if view else []
    for chain in candidates:
        try:
            verified = open_usage(data, chain.key)
        except SignatureRefused:
            continue
        except (Refusal, OverflowError) as error:
            # Signed by the site and yet not a usage file. A period at the end of the year 9999 overflows the calendar
            # while it is being checked; that is one more way not to be well-formed.
            sentence = error.message if isinstance(error, Refusal) else "A date in it is beyond the calendar."
            finding = Finding(Verdict.MALFORMED, sentence, claim.site, claim.seq)
            return finding, (_evidence(finding, claim, envelope.body, data),)
        return Genuine(place, chain, verified.claims, verified.digest, data)
    return _nobodys(envelope, claim, view, candidates, owners, data)


def _nobodys(
    envelope: Envelope,
    claim: _Claim,
    view: SiteView | None,
    candidates: Sequence[Chain],
    owners: Mapping[str, tuple[str, PublicKey]],
    data: bytes,
) -> tuple[Finding, tuple[Evidence, ...]]:
    """Why no key of the claimed site and epoch signed this. Every branch here refuses."""
    site = claim.site or ""
    hints = [signature.keyid for signature in envelope.signatures]
    for owner, key in (owners[hint] for hint in hints if hint in owners):
        if owner != site and _signed_by(envelope, key):
            finding = Finding(
                Verdict.WRONG_SITE,
                f"It says it is from site {shown(site)!r} and was signed by the key of site {owner!r}.",
                claim.site,
                claim.seq,
            )
            return finding, (_evidence(finding, claim, envelope.body, data),)
    if view is None:
        return Finding(Verdict.UNKNOWN_SITE, f"No site {shown(site)!r} was ever enrolled.", claim.site, claim.seq), ()
    if any(chain.key.keyid in hints for chain in candidates):
        return (
            Finding(
                Verdict.EDITED,
                "It names the site's own key, and the signature does not fit the bytes: it was changed after signing.",
                claim.site,
                claim.seq,
            ),
            (),
        )
    if not candidates:
        epochs = ", ".join(str(epoch) for epoch in sorted({chain.epoch for chain in view.chains}))
        sentence = f"It is from state epoch {claim.epoch}; the site enrolled for epoch {epochs}."
    else:
        sentence = f"It was not signed by the key that the site enrolled for epoch {claim.epoch}."
    return Finding(Verdict.UNKNOWN_KEY, sentence, claim.site, claim.seq), ()


def _signed_by(envelope: Envelope, key: PublicKey) -> bool:
    try:
        verify(envelope, payload_type=Usage.payload_type(), keys=[key], threshold=1)
    except Refusal:
        return False
    return True


def _claim(envelope: Envelope) -> _Claim:
    members = load_object(envelope.body)
    site, epoch, seq = members.get("site"), members.get("epoch"), members.get("seq")
    return _Claim(
        site if isinstance(site, str) else None,
        epoch if type(epoch) is int else None,
        seq if type(seq) is int else None,
    )


def _evidence(finding: Finding, claim: _Claim, body: bytes, data: bytes) -> Evidence:
    return Evidence(finding.site or "", claim.epoch, claim.seq, digest(body), finding.verdict, finding.evidence, data)
