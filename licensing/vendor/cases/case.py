"""What a scenario case is, and whether this reconciler passes it.

Promise: pure. A case holds only bytes and expectations, all of them written by hand where the case is defined; `run`
reads nothing else, so that it stands where a third party's reconciler would stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from licensing.document import Verified
from licensing.errors import LicensingError
from licensing.licence import Licence, open_licence
from licensing.site_request import open_site_request
from licensing.trust import Trust, pin
from licensing.usage import open_usage
from licensing.usage_proof import read_proof, require_proven
from licensing.vendor.findings import Chain, SiteView
from licensing.vendor.plausibility import doubts_about
from licensing.vendor.reconcile import reconcile


@dataclass(frozen=True, slots=True)
class Delivery:
    """What comes to the desk at one time: requests that are enrolled, then licences that are issued, then usage files.

    `verdicts` names every file and what must become of it.
    """

    at: datetime
    verdicts: Mapping[str, str]
    requests: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """`requests` is the number of calls that count when all was delivered; `doubts` the codes of what is odd besides,
    as (file, code); `proofs` names proofs, the file that each is about, and whether it holds."""

    name: str
    story: str
    trust: bytes
    papers: Mapping[str, bytes]
    files: Mapping[str, bytes]
    deliveries: tuple[Delivery, ...]
    requests: int
    doubts: frozenset[tuple[str, str]] = frozenset()
    proofs: Mapping[str, tuple[bytes, str, bool]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """What a reconciler made of a case."""

    verdicts: tuple[Mapping[str, str], ...]
    requests: int
    doubts: frozenset[tuple[str, str]]
    proofs: Mapping[str, bool]


def run(case: Case) -> Found:
    """This reconciler's answer, from what the vendor would remember and the case's files."""
    trust = pin(case.trust)
    views: dict[str, SiteView] = {}
    licences: dict[str, dict[int, Licence]] = {}
    verdicts: list[Mapping[str, str]] = []
    doubts: set[tuple[str, str]] = set()
    counted = 0
    for delivery in case.deliveries:
        for name in delivery.requests:
            _enrol(views, case.papers[name])
        for name in delivery.licences:
            _issue(views, licences, case.papers[name], trust)
        names = list(delivery.verdicts)
        everybody = [(view.site, chain.key) for view in views.values() for chain in view.chains]
        outcome = reconcile([case.files[name] for name in names], views, everybody=everybody, now=delivery.at)
        for chain in outcome.grown:
            view = views[chain.site]
            chains = tuple(chain if each.enrolment == chain.enrolment else each for each in view.chains)
            views[chain.site] = replace(view, chains=chains)
        for taken in outcome.taken:
            counted += taken.usage.tree.size
            odd = doubts_about(taken.usage, licences.get(taken.usage.site, {}))
            doubts.update((name, doubt.code) for doubt in odd for name in names if case.files[name] == taken.document)
        verdicts.append({name: each.verdict.value for name, each in zip(names, outcome.findings, strict=True)})
    proofs = {name: _holds(proof, case.files[file], views) for name, (proof, file, _) in case.proofs.items()}
    return Found(tuple(verdicts), counted, frozenset(doubts), proofs)


def _holds(proof: bytes, file: bytes, views: Mapping[str, SiteView]) -> bool:
    try:
        claim = read_proof(proof)
        require_proven(claim, open_usage(file, views[claim.site].chains[0].key))
    except LicensingError:
        return False
    return True


def _enrol(views: dict[str, SiteView], document: bytes) -> None:
    """As the vendor's memory does it: the newest key of an epoch replaces the others of that epoch."""
    claims = open_site_request(document).claims
    view = views.get(claims.site, SiteView(claims.site, ()))
    number = 1 + sum(len(each.chains) for each in views.values())
    older = tuple(replace(each, superseded=each.superseded or each.epoch == claims.epoch) for each in view.chains)
    chain = Chain(number, claims.site, claims.epoch, claims.key.key)
    views[claims.site] = replace(view, chains=(chain, *older))


def _issue(
    views: dict[str, SiteView], licences: dict[str, dict[int, Licence]], document: bytes, trust: Verified[Trust]
) -> None:
    licence = open_licence(document, trust.claims).claims
    site = licence.binding.site
    licences.setdefault(site, {})[licence.serial] = licence
    issued = (licence.licence, licence.serial, licence.binding.epoch)
    views[site] = replace(views[site], licences=views[site].licences | {issued})


def differences(case: Case, found: Found) -> list[str]:
    """Where the answer is not the expected one, a sentence each."""
    wrong: list[str] = []
    for number, (delivery, given) in enumerate(zip(case.deliveries, found.verdicts, strict=True), 1):
        wrong += [
            f"delivery {number}, {name}: {given[name]}, and {expected} was expected"
            for name, expected in delivery.verdicts.items()
            if given[name] != expected
        ]
    if found.requests != case.requests:
        wrong.append(f"{found.requests} requests count, and {case.requests} were expected")
    wrong += [f"{name}: {code} was expected and not found" for name, code in sorted(case.doubts - found.doubts)]
    wrong += [f"{name}: {code} was found and not expected" for name, code in sorted(found.doubts - case.doubts)]
    wrong += [
        f"{name}: {'holds' if found.proofs[name] else 'does not hold'}, and the opposite was expected"
        for name, (_, _, holds) in case.proofs.items()
        if found.proofs[name] is not holds
    ]
    return wrong
