"""The vendor of the cases: one trust document, the requests it enrols, the licences it issues, the files it is given.

Pure and repeatable, as the sites are. Its keys are as public as theirs.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from licensing.envelope import parse
from licensing.keyfile import RandomBytes
from licensing.site_request import open_site_request
from licensing.strict_json import load_object
from licensing.trust import pin
from licensing.usage import Usage
from licensing.vendor import issue
from licensing.vendor.cases.case import Case, Delivery
from licensing.vendor.cases.case_site import CaseSite
from licensing.vendor.home import first_trust, make_keys

BEGUN: Final = datetime(2027, 1, 1, tzinfo=UTC)


def _repeatable(name: str) -> RandomBytes:
    counter = itertools.count()
    return lambda size: hashlib.shake_256(f"ao usage case, not a secret: {name}/{next(counter)}".encode()).digest(size)


_KEYS: Final = make_keys(1, _repeatable("vendor"))
TRUST: Final = first_trust("AO usage cases", _KEYS, root_threshold=1, now=BEGUN)


@dataclass
class Papers:
    """Gathers one case while it is made. Each method returns the name under which it put something."""

    papers: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    proofs: dict[str, tuple[bytes, str, bool]] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)

    def enrol(self, site: CaseSite, at: datetime, *, rpm: int | None = 600) -> tuple[str, str]:
        """The site's request, and the licence issued on it, which the site has from then on."""
        trust = pin(TRUST).claims
        number = 1 + sum(name.startswith("request-") for name in self.papers)
        request, licence = f"request-{number}.signed.json", f"licence-{number}.json"
        self.papers[request] = site.request(at)
        terms = issue.Terms("Case", "business", ("acme-*",), days=730, rpm=rpm, licence=f"case-{site.site}")
        claims = issue.build(
            terms, open_site_request(self.papers[request]).claims, serial=number, now=at, random=_repeatable("id")
        )
        signer = [key for key in _KEYS if key.role == "licence"]
        self.papers[licence] = issue.sign_licence(claims, signer, trust).document
        site.licence = claims
        return request, licence

    def put(self, data: bytes, mark: str = "") -> str:
        """A usage file, under the name that its period gives it; `mark` tells files of the same name apart."""
        usage = Usage.from_mapping(load_object(parse(data).body))
        day = usage.period.start.strftime("%Y-%m-%d")
        second = "" if usage.period.start.hour == 0 else ".2"
        name = f"usage-{day}{second}{mark and '.' + mark}.signed.json"
        if name in self.files:
            raise ValueError(f"two files of the name {name}")
        self.files[name] = data
        return name

    def deliver(self, at: datetime, verdicts: dict[str, str], *enrolled: tuple[str, str]) -> None:
        requests, licences = tuple(each[0] for each in enrolled), tuple(each[1] for each in enrolled)
        self.deliveries.append(Delivery(at, verdicts, requests, licences))

    def case(self, name: str, story: str, requests: int, doubts: frozenset[tuple[str, str]] = frozenset()) -> Case:
        text = " ".join(story.split())
        return Case(
            name, text, TRUST, self.papers, self.files, tuple(self.deliveries), requests, doubts, dict(self.proofs)
        )


def day_after(site: CaseSite) -> datetime:
    """When what the site has sealed so far reaches the desk."""
    return site.since + timedelta(hours=12)
