"""The audit trail as a file that leaves the site: NDJSON, an entry a line, and an end that the site signs.

Promise: whoever has the file and the site's public key can tell, without the site, whether a line was edited, left out,
reordered or cut off, and which is the first. The last line is a signed envelope (DSSE, by the site's own key) that
names the entries which the file holds and the digests before the first and of the last of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from appliance.observe.audit import FIRST, Entry, Verdict, fault
from licensing.algorithms import PublicKey
from licensing.document import format_time
from licensing.envelope import Signer, parse, sign, to_json, verify
from licensing.errors import Refusal

END_TYPE: Final = "application/vnd.ao.audit-end.v1+json"
LIMIT_BYTES: Final = 1 << 30
_LINE_LIMIT: Final = 1 << 20
_MEMBERS: Final = frozenset(each.name for each in fields(Entry))


def exported(entries: Iterable[Entry], *, site: str, after: int, before: str, now: datetime, key: Signer) -> bytes:
    """The file. `before` is the digest of the entry `after`, or FIRST."""
    lines, last, head = [], after, before
    for each in entries:
        lines.append(json.dumps(each.as_dict(), ensure_ascii=True).encode("ascii") + b"\n")
        last, head = each.seq, each.digest
    end = {"site": site, "after": after, "before": before, "last": last, "head": head, "written_at": format_time(now)}
    body = json.dumps(end, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return b"".join([*lines, to_json(sign(END_TYPE, body, [key]))])


def check(data: bytes, key: PublicKey) -> Verdict:
    """Whether the file is what this site wrote. `first_bad` is the number of the first entry that is not."""
    listed = data.removesuffix(b"\n").split(b"\n") if data else []
    end = _end(listed[-1], key) if listed else None
    if end is not None:
        listed.pop()
    after, head = (int(end["after"]), str(end["before"])) if end is not None else _where_it_begins(listed)
    expected = after + 1
    for line in listed:
        entry = _entry(line)
        found = "It is no entry of a trail." if entry is None else fault(entry, expected, head)
        if entry is None or found is not None:
            return Verdict(expected - 1 - after, head, expected, f"Entry {expected}: {found}")
        expected, head = expected + 1, entry.digest
    count, last = expected - 1 - after, expected - 1
    if end is None:
        return Verdict(count, head, expected, f"The file ends after entry {last} without this site's signed end.")
    if last != end["last"]:
        told = f"The file ends at entry {last}; it was signed up to entry {end['last']}."
        return Verdict(count, head, min(expected, int(end["last"]) + 1), told)
    if head != end["head"]:
        told = f"Entry {last} is not the one that was signed; it, or those before it, were written anew."
        return Verdict(count, head, last, told)
    return Verdict(
        count, head, None, f"All {count} entries up to {last} are as the site wrote them at {end['written_at']}."
    )


def _end(line: bytes, key: PublicKey) -> dict[str, Any] | None:
    """What the last line vouches for; None where it is not this site's signed end."""
    try:
        body = verify(parse(line), payload_type=END_TYPE, keys=[key], threshold=1).body
    except Refusal:
        return None
    # The site wrote it: what it signed has these members.
    end = json.loads(body)
    return end if isinstance(end, dict) else None


def _where_it_begins(lines: list[bytes]) -> tuple[int, str]:
    first = _entry(lines[0]) if lines else None
    return (first.seq - 1, first.previous) if first is not None else (0, FIRST)


def _entry(line: bytes) -> Entry | None:
    try:
        members = json.loads(line) if len(line) <= _LINE_LIMIT else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict) or members.keys() != _MEMBERS:
        return None
    strings = ("at", "who", "act", "subject", "previous", "digest")
    right = isinstance(members["seq"], int) and not isinstance(members["seq"], bool)
    right = right and isinstance(members["detail"], dict) and all(isinstance(members[each], str) for each in strings)
    right = right and all(isinstance(members[each], str | None) for each in ("before", "after"))
    return Entry(**members) if right else None
