"""`ao verify`: any document, for anybody."""

from __future__ import annotations

import json
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.errors import NotInitialised
from appliance.operations.trust import trust_in_force
from appliance.operations.verify import Examined, Signatory, examine, examine_here
from licensing.algorithms import PublicKey
from licensing.document import Verified
from licensing.licence import Delegation, open_licence
from licensing.shown import shown
from licensing.site_request import open_site_request
from licensing.trust import Trust, advance, pin
from media.naming import naming
from media.reader import LIMITS, read_document

ONE_LINE = 80


def add_to(main: click.Group) -> None:
    path = click.Path(path_type=Path)

    @command(main, "verify", example="ao verify licence.json --trust trust.json")
    @click.argument("file", type=path)
    @click.option("--trust", "trusts", type=path, multiple=True, help="Trust version 1, and each later one, in order.")
    @click.option("--request", type=path, help="The site's request: whose key a usage file is held against.")
    @click.option("--licence", type=path, help="A licence that hands the config role to the customer's officers.")
    def verify(
        face: Face, *, file: Path, trusts: tuple[Path, ...], request: Path | None, licence: Path | None
    ) -> Result:
        """Tell who signed a document, under which role, what it says, and why it would be refused.

        Without --trust, the trust that this host's site has pinned is used, and the site's own view is added.
        Exit code: 0, or that of the refusal.
        """
        data = read_document(file, limit=max(LIMITS.values()))
        if trusts:
            trust = _chain(trusts)
            found = examine(
                data,
                trust=trust,
                site_key=_request_key(request),
                delegation=_delegation(licence, trust),
            )
        else:
            found = _with_site(face, data, request, licence)
        refusal = found.refusal or found.refused_here
        return Result(_data(found), _lines(found), refusal.exit_code if refusal else 0)


def _with_site(face: Face, data: bytes, request: Path | None, licence: Path | None) -> Examined:
    try:
        with face.site() as site:
            trust = trust_in_force(site)
            held = site.licence(trust)
            delegation = held.claims.config_delegation if isinstance(held, Verified) else None
            found = examine(
                data,
                trust=trust,
                site_key=_request_key(request) or site.key.public_key,
                delegation=_delegation(licence, trust) if licence else delegation,
            )
            return examine_here(found, data, site, face.secrets(), face.now)
    except NotInitialised as refusal:
        refusal.remedy = "Name a trust document: --trust trust.json"
        raise


def _chain(files: tuple[Path, ...]) -> Trust:
    documents = [(file, read_document(file, limit=LIMITS["trust"])) for file in files]
    with naming(documents[0][0]):
        trust = pin(documents[0][1]).claims
    for file, data in documents[1:]:
        with naming(file):
            trust = advance(trust, data).claims
    return trust


def _request_key(file: Path | None) -> PublicKey | None:
    if file is None:
        return None
    data = read_document(file, limit=LIMITS["site-request"])
    with naming(file):
        return open_site_request(data).claims.key.key


def _delegation(file: Path | None, trust: Trust) -> Delegation | None:
    if file is None:
        return None
    data = read_document(file, limit=LIMITS["licence"])
    with naming(file):
        return open_licence(data, trust).claims.config_delegation


def _data(found: Examined) -> dict[str, object]:
    return {
        "kind": found.kind,
        "role": found.role,
        "needed": found.needed,
        "signatures": [
            {"keyid": each.keyid, "roles": list(each.roles), "claims": each.claims, "finding": _finding(each)}
            for each in found.signatories
        ],
        "genuine": found.refusal is None,
        "says": found.says,
        "refusal": found.refusal.as_dict() if found.refusal else None,
        "refused_here": found.refused_here.as_dict() if found.refused_here else None,
    }


def _lines(found: Examined) -> list[str]:
    lines = [f"{found.kind}: {'genuine' if found.refusal is None else 'NOT to be believed'}"]
    lines.append(
        f"  needs {found.needed} signature(s) under the role {found.role}; it carries {len(found.signatories)}:"
    )
    lines += [f"    {_finding(each)}" for each in found.signatories]
    for refusal, where in ((found.refusal, ""), (found.refused_here, " here")):
        if refusal is not None:
            lines.append(f"  refused{where}: {refusal} [{refusal.code}]")
            lines.append(f"    {refusal.remedy}")
    for name, value in (found.says or {}).items():
        lines += _member(name, value)
    return lines


def _finding(each: Signatory) -> str:
    """Whose signature it is; or whose it says it is, where it is not that key's."""
    if each.keyid is not None:
        return f"by key {each.keyid[:16]} ({', '.join(each.roles) or 'no role of this trust'})"
    claimed = shown(each.claims[:16])
    if each.claimed_roles is not None:
        roles = ", ".join(each.claimed_roles) or "no role of this trust"
        return f"claims key {claimed} ({roles}) and does not verify: the bytes were changed, or another key made it"
    if each.claims:
        return f"claims key {claimed}, which is not known here; by no key of this trust"
    return "by no key of this trust"


def _member(name: str, value: object) -> list[str]:
    """A member of the body in full: on one line where it fits, else each of its parts on a line of its own."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) or len(text) <= ONE_LINE:
        return [f"  {shown(name, 24):24} {shown(text, len(text) * 10 + 1)}"]
    parts = json.dumps(value, ensure_ascii=False, indent=2).splitlines()
    return [f"  {shown(name, 24)}", *(f"    {shown(part, len(part) * 10 + 1)}" for part in parts)]
