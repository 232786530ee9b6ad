"""Whether usage files that a site carried here are to be believed, and what to keep of those that are not.

Promise: pure. Given what the vendor remembers of the sites and the bytes of the files, `reconcile` answers with one
verdict a file, whatever the order in which the files were given. A file is accepted only when everything holds: the
signature of the site's own key for the epoch that it claims, the next number, the digest of the file before it, the
period that follows on, the registers, the deltas, the tree, and licences that were issued to that site. The claim in
the body finds the site; the site's key decides. A number that the site's key has signed twice with other bytes is a
fork, and the vendor does not choose between its ends. A key that replaces another in its epoch continues that one's
chain, and its first file vouches, by digest, for the last files of the old key. The first file of an epoch is besides
held against the epochs before it (`succession.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from licensing.algorithms import PublicKey
from licensing.document import format_time
from licensing.shown import shown
from licensing.usage import COUNT_FIELDS, Counts, Usage, faults_between, faults_within
from licensing.vendor.authenticate import Genuine, authenticate
from licensing.vendor.findings import COUNTED, Chain, Evidence, Finding, Outcome, SiteView, Taken, Verdict
from licensing.vendor.succession import judge_first


@dataclass(slots=True)
class _Desk:
    """What is known while files are judged one after another: the chains as they have grown so far."""

    views: Mapping[str, SiteView]
    now: datetime
    chains: dict[int, Chain]
    contested: frozenset[tuple[int, int]]
    vouched: frozenset[str]
    taken: list[Taken] = field(default_factory=list)

    def of_site(self, site: str) -> list[Chain]:
        return [self.chains[chain.enrolment] for chain in self.views[site].chains]


def reconcile(
    files: Sequence[bytes],
    views: Mapping[str, SiteView],
    *,
    everybody: Iterable[tuple[str, PublicKey]],
    now: datetime,
    watch: Callable[[int], object] = lambda _: None,
) -> Outcome:
    """The verdict on each of these files, given the views of the sites that they claim to be from.

    `everybody` are the keys of all sites, to recognise a file that one site signed in another's name. `watch` is told
    how many files were looked at so far.
    """
    owners = {key.keyid: (site, key) for site, key in everybody}
    findings: dict[int, Finding] = {}
    evidence: list[Evidence] = []
    genuine: list[Genuine] = []
    for place, data in enumerate(files):
        found = authenticate(place, data, views, owners)
        if isinstance(found, Genuine):
            genuine.append(found)
        else:
            findings[place], kept = found
            evidence.extend(kept)
        watch(place + 1)

    chains = {chain.enrolment: chain for view in views.values() for chain in view.chains}
    desk = _Desk(views, now, chains, _contested(genuine), _vouched(genuine))
    for each in sorted(genuine, key=lambda each: (each.usage.site, each.usage.epoch, each.usage.seq, each.place)):
        finding = findings[each.place] = _judge(desk, each)
        if finding.verdict in COUNTED:
            grown = _continued(desk, each).followed_by(each.usage, each.digest)
            desk.chains[grown.enrolment] = grown
            desk.taken.append(Taken(grown.enrolment, each.usage, each.digest, each.document))
        if finding.verdict is Verdict.RESTORED or (not finding.good and finding.verdict is not Verdict.GAP):
            evidence.append(_evidence(each, finding))
    ended = tuple(desk.chains[number] for number in dict.fromkeys(each.enrolment for each in desk.taken))
    return Outcome(tuple(findings[place] for place in range(len(files))), tuple(desk.taken), tuple(evidence), ended)


def _evidence(file: Genuine, finding: Finding) -> Evidence:
    usage = file.usage
    return Evidence(usage.site, usage.epoch, usage.seq, file.digest, finding.verdict, finding.evidence, file.document)


def _contested(genuine: Iterable[Genuine]) -> frozenset[tuple[int, int]]:
    """The (enrolment, seq) that come with two different contents, neither of which was accepted before."""
    contents: dict[tuple[int, int], set[str]] = defaultdict(set)
    for each in genuine:
        if each.usage.seq not in each.chain.accepted:
            contents[each.chain.enrolment, each.usage.seq].add(each.digest)
    return frozenset(place for place, digests in contents.items() if len(digests) > 1)


def _vouched(genuine: Sequence[Genuine]) -> frozenset[str]:
    """The digests of files under a replaced key that a file under the current key leads back to."""
    old = {each.digest: each for each in genuine if each.chain.superseded}
    vouched: set[str] = set()
    for each in genuine:
        before = None if each.chain.superseded else each.usage.previous
        while before in old and before not in vouched and _same_epoch(old[before], each):
            vouched.add(before)
            before = old[before].usage.previous
    return frozenset(vouched)


def _same_epoch(one: Genuine, other: Genuine) -> bool:
    return (one.chain.site, one.chain.epoch) == (other.chain.site, other.chain.epoch)


def _continued(desk: _Desk, file: Genuine) -> Chain:
    """The file's chain as it stands; an empty one, for a file that does not begin it, as the continuation of the chain
    whose key it replaces."""
    chain = desk.chains[file.chain.enrolment]
    if chain.head is not None or file.usage.seq == 1:
        return chain
    replaced = [
        other for other in desk.of_site(chain.site) if other.superseded and other.epoch == chain.epoch and other.head
    ]
    return chain.continuing(max(replaced, key=lambda other: other.last)) if replaced else chain


def _judge(desk: _Desk, file: Genuine) -> Finding:
    """The verdict on a genuine file, against the chain as it stands after the files before it."""
    usage, chain = file.usage, _continued(desk, file)

    def finding(verdict: Verdict, evidence: str) -> Finding:
        return Finding(verdict, evidence, usage.site, usage.seq, chain.enrolment, usage.epoch)

    known = chain.accepted.get(usage.seq)
    if known == file.digest:
        return finding(Verdict.ALREADY_ACCEPTED, f"File {usage.seq} was accepted before with the same content.")
    if known is not None:
        return finding(
            Verdict.FORK,
            f"File {usage.seq} was accepted before with other content ({known[:19]}…); this one is "
            f"{file.digest[:19]}…: the site's state was restored or copied.",
        )
    if chain.superseded and file.digest not in desk.vouched:
        return finding(
            Verdict.UNKNOWN_KEY, f"It was signed by a key that the site has since replaced in epoch {usage.epoch}."
        )
    if (chain.enrolment, usage.seq) in desk.contested:
        return finding(
            Verdict.FORK,
            f"File {usage.seq} came twice with different contents, both signed by the site; neither is accepted.",
        )
    if usage.seq > chain.last + 1:
        return finding(Verdict.GAP, _missing(chain.last + 1, usage.seq - 1))
    if usage.previous != chain.head_digest:
        return finding(
            Verdict.FORK,
            f"It follows {_short(usage.previous)}; file {chain.last}, as it was accepted, is "
            f"{_short(chain.head_digest)}: the site's state was restored or copied.",
        )
    faults = _faults(chain.head, usage)
    if faults and _a_register_fell(chain.head, usage):
        return finding(Verdict.REGISTER_FELL, _sentence(faults))
    if faults:
        return finding(Verdict.INCONSISTENT, _sentence(faults))
    if (unknown := _unknown_licence(desk.views[chain.site], usage)) is not None:
        return finding(Verdict.LICENCE_UNKNOWN, unknown)
    return finding(*_accepted(desk, chain, usage))


def _accepted(desk: _Desk, chain: Chain, usage: Usage) -> tuple[Verdict, str]:
    """What to say of a file that holds."""
    if usage.seq == 1:
        verdict, sentence = judge_first(usage, chain.enrolment, desk.of_site(chain.site))
    else:
        renewed = desk.chains[chain.enrolment].head is None
        verdict = Verdict.ACCEPTED
        sentence = f"File {usage.seq} follows on and adds up{', under the key enrolled since' if renewed else ''}."
    if usage.period.end > desk.now:
        sentence = f"{sentence[:-1]}, though its period ends after {format_time(desk.now)}, the time here."
    return verdict, sentence


def _missing(first: int, last: int) -> str:
    which = f"file {first} is" if first == last else f"files {first} to {last} are"
    return f"Before it, {which} missing or refused."


def _faults(before: Usage | None, usage: Usage) -> tuple[str, ...]:
    return (*faults_between(before, usage), *faults_within(usage))


def _a_register_fell(before: Usage | None, usage: Usage) -> bool:
    """Which code a fault in the registers has; that there is one, `faults_between` has said."""
    return before is not None and any(
        getattr(usage.registers.get(name, Counts()), member) < getattr(counts, member)
        for name, counts in before.registers.items()
        for member in COUNT_FIELDS
    )


def _unknown_licence(view: SiteView, usage: Usage) -> str | None:
    """An admission must name a licence for this very epoch: any other would not have let a call through. But a restored
    site's first file brings along what the epoch before had let in. The licence that the body names as installed may be
    left over from an earlier epoch."""
    epochs = {usage.epoch} | ({usage.predecessor.epoch} if usage.predecessor else set())
    issued = {serial for _, serial, epoch in view.licences if epoch in epochs}
    for admission in usage.admissions:
        if admission.licence_serial not in issued:
            return (
                f"{admission.requests} calls were admitted under licence serial {admission.licence_serial}, which was "
                f"never issued to this site in epoch {usage.epoch}."
            )
    if usage.licence is not None and all(
        (usage.licence, usage.licence_serial) != (licence, serial) for licence, serial, _ in view.licences
    ):
        return f"It names licence {usage.licence} with serial {usage.licence_serial}, never issued to this site."
    return None


def _sentence(faults: Sequence[str]) -> str:
    text = "; ".join(faults)
    return shown(text[:1].upper() + text[1:] + ".", 400)


def _short(of: str | None) -> str:
    return f"{of[:19]}…" if of else "nothing"
