"""The sheet of one carrying, for the transfer officer who signs it and for a machine: every file with its digest and
serial, in which direction, by whom, when.

Serials are there where a document's signatures were checked. Nothing on the sheet can act on a terminal or a printer.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from appliance.operations.media_import import Taken
from licensing.document import format_time
from licensing.shown import shown
from media.outbox import Outgoing
from media.writer import Written


@dataclass(frozen=True, slots=True)
class Sheet:
    """`operator` is who did it, as told or as the system knows; `failed` the code of what ended the writing early.

    `audit_head` is the end of the audit trail before the entry of this carrying.
    """

    site: str
    operator: str
    at: datetime
    medium: str
    taken: tuple[Taken, ...]
    sent: tuple[Written, ...]
    audit_head: str
    serials: Mapping[str, int | None] = field(default_factory=dict)
    failed: str | None = None


def as_dict(sheet: Sheet) -> dict[str, Any]:
    return {
        "kind": "transfer-sheet",
        "site": sheet.site,
        "operator": sheet.operator,
        "at": format_time(sheet.at),
        "medium": sheet.medium,
        "audit_head": sheet.audit_head,
        "failed": sheet.failed,
        "in": [
            {
                "kind": each.kind,
                "file": each.name,
                "bytes": each.size,
                "digest": each.digest,
                "serial": each.serial,
                "outcome": each.outcome,
                "what": each.title,
                "code": each.refusal.code if each.refusal else None,
            }
            for each in sheet.taken
        ],
        "out": [
            {
                "file": each.path.name,
                "bytes": each.size,
                "digest": each.sha256,
                "serial": sheet.serials.get(each.path.name),
                "was_there": each.already_there,
            }
            for each in sheet.sent
        ],
    }


def as_json(sheet: Sheet) -> bytes:
    return (json.dumps(as_dict(sheet), indent=1, ensure_ascii=True) + "\n").encode("ascii")


def sheet_lines(sheet: Sheet) -> list[str]:
    """What a transfer officer reads and signs."""
    lines = [
        "TRANSFER SHEET                                             AO Appliance",
        "",
        f"Site      {sheet.site}",
        f"Operator  {shown(sheet.operator)}",
        f"Time      {format_time(sheet.at)}",
        f"Medium    {shown(sheet.medium, 800)}",
        f"Audit     {sheet.audit_head}",
        "",
        f"IN: {len(sheet.taken)} files",
    ]
    for taken in sheet.taken:
        code = f" [{taken.refusal.code}]" if taken.refusal else ""
        serial = f"  serial {taken.serial}" if taken.serial is not None else ""
        lines += [f"  {shown(taken.name, 400)}  {taken.size} bytes{serial}  {taken.outcome}{code}"]
        lines += [f"    {shown(taken.title, 800)}"]
        lines += [f"    {taken.digest}"] if taken.digest else []
    lines += ["", f"OUT: {len(sheet.sent)} files"]
    for sent in sheet.sent:
        there = "  (was there already)" if sent.already_there else ""
        number = sheet.serials.get(sent.path.name)
        serial = f"  serial {number}" if number is not None else ""
        lines += [f"  {sent.path.name}  {sent.size} bytes{serial}{there}", f"    {sent.sha256}"]
    lines += ["", f"NOT COMPLETE [{sheet.failed}]"] if sheet.failed else []
    return [*lines, "", "Carried by ______________________   Checked by ______________________"]


def sheets(sheet: Sheet, there: Collection[str]) -> list[Outgoing]:
    """The sheet twice: to be printed and signed, and to be read by a machine. No earlier one loses its name to it."""
    taken = {name.casefold() for name in there}
    stamp = f"transfer-{sheet.at:%Y%m%dT%H%M%SZ}"
    names = (stamp if number == 1 else f"{stamp}-{number}" for number in count(1))
    name = next(each for each in names if not taken & {f"{each}.txt".casefold(), f"{each}.json".casefold()})
    text = "\r\n".join(sheet_lines(sheet)) + "\r\n"
    return [Outgoing(f"{name}.txt", text.encode("utf-8")), Outgoing(f"{name}.json", as_json(sheet))]
