"""One carrying: what came in, what goes out, and the sheet that a transfer officer signs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from appliance.config.media_part import MediaPolicy
from appliance.observe.audit import head
from appliance.operations.config import config_in_force
from appliance.operations.media_export import export_medium
from appliance.operations.media_import import Agree, Desk, Taken, import_medium
from appliance.state.database import transaction
from appliance.state.site import Site
from licensing.algorithms import digest
from licensing.document import format_time
from licensing.errors import Refusal
from licensing.shown import shown
from media.beneath import Beneath
from media.errors import UnsafeMount
from media.medium import Medium
from media.outbox import Outgoing, Progress, put
from media.writer import Written


@dataclass(frozen=True, slots=True)
class Carrying:
    """Everything that one exchange did. `operator` is who did it, as told or as the system knows."""

    site: str
    operator: str
    at: datetime
    medium: str
    taken: tuple[Taken, ...]
    written: tuple[Written, ...]
    audit_head: str

    @property
    def refused(self) -> list[Refusal]:
        return [each.refusal for each in self.taken if each.refusal is not None]

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": "transfer-sheet",
            "site": self.site,
            "operator": self.operator,
            "at": format_time(self.at),
            "medium": self.medium,
            "audit_head": self.audit_head,
            "in": [
                {
                    "kind": each.kind,
                    "file": each.name,
                    "bytes": each.size,
                    "digest": each.digest,
                    "outcome": each.outcome,
                    "what": each.title,
                    "code": each.refusal.code if each.refusal else None,
                }
                for each in self.taken
            ],
            "out": [
                {"file": each.path.name, "bytes": each.size, "digest": each.sha256, "was_there": each.already_there}
                for each in self.written
            ],
        }


def require_allowed(site: Site, medium: Medium, *, writing: bool) -> list[str]:
    """What the operator should know of how the medium is mounted. Raises UnsafeMount where the policy insists."""
    warnings = medium.warnings(writing=writing)
    if medium.mount.missing_options and _policy(site).require_safe_mount:
        missing = ",".join(medium.mount.missing_options)
        raise UnsafeMount(
            f"The medium is not mounted {missing}, as this site's config asks for.", where=shown(str(medium.path), 400)
        )
    return warnings


def exchange(
    desk: Desk,
    root: Beneath,
    medium: Medium,
    agree: Agree,
    *,
    operator: str,
    everything: bool = False,
    request: bool = False,
    take: bool = True,
    give: bool = True,
    progress: Progress = lambda _done, _all, _name: None,
) -> Carrying:
    """Takes in, gives out, writes the sheet, records all of it. Raises MediaError where the medium fails."""
    site = desk.site
    taken = import_medium(desk, root, agree) if take else []
    written: list[Written] = []
    if give:
        written = export_medium(site, root, desk.now, everything=everything, request=request, progress=progress)
    carrying = Carrying(site.id, operator, desk.now, medium.label, tuple(taken), tuple(written), head(site.database))
    if give:
        put(root, "to-vendor", site.id, sheets(carrying))
    record(site, carrying)
    return carrying


def record(site: Site, carrying: Carrying) -> None:
    """The exchange as an audit entry: the sheet's digest and counts. The sheet itself names every file."""
    outcomes = [each.outcome for each in carrying.taken]
    with transaction(site.database):
        site.record(
            "media.exchange",
            carrying.medium,
            carrying.at,
            after=digest(_json(carrying)),
            detail={
                "operator": carrying.operator,
                **{outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
                "written": len(carrying.written),
            },
        )


def sheets(carrying: Carrying) -> list[Outgoing]:
    """The sheet twice: to be printed and signed, and to be read by a machine."""
    name = f"transfer-{carrying.at:%Y%m%dT%H%M%SZ}"
    text = "\r\n".join(sheet_lines(carrying)) + "\r\n"
    return [
        Outgoing(f"{name}.txt", text.encode("utf-8"), fresh=True),
        Outgoing(f"{name}.json", _json(carrying), fresh=True),
    ]


def sheet_lines(carrying: Carrying) -> list[str]:
    """What a transfer officer reads and signs."""
    lines = [
        "TRANSFER SHEET                                             AO Appliance",
        "",
        f"Site      {carrying.site}",
        f"Operator  {shown(carrying.operator)}",
        f"Time      {format_time(carrying.at)}",
        f"Medium    {carrying.medium}",
        f"Audit     {carrying.audit_head}",
        "",
        f"IN: {len(carrying.taken)} files",
    ]
    for taken in carrying.taken:
        code = f" [{taken.refusal.code}]" if taken.refusal else ""
        lines += [f"  {taken.name}  {taken.size} bytes  {taken.outcome}{code}", f"    {taken.title}"]
        lines += [f"    {taken.digest}"] if taken.digest else []
    lines += ["", f"OUT: {len(carrying.written)} files"]
    for written in carrying.written:
        there = "  (was there already)" if written.already_there else ""
        lines += [f"  {written.path.name}  {written.size} bytes{there}", f"    {written.sha256}"]
    return [*lines, "", "Carried by ______________________   Checked by ______________________"]


def _policy(site: Site) -> MediaPolicy:
    try:
        return config_in_force(site)[0].media
    except Refusal:
        return MediaPolicy()


def _json(carrying: Carrying) -> bytes:
    return (json.dumps(carrying.as_dict(), indent=1, ensure_ascii=True) + "\n").encode("ascii")
