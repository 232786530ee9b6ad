"""`ao audit list|verify|export`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command, table
from appliance.errors import AuditBroken
from appliance.observe.audit import entries
from licensing.shown import shown
from media.writer import write_document


def add_to(main: click.Group) -> None:
    @main.group("audit")
    def group() -> None:
        """Who did what to this site."""

    @command(group, "list", example="ao audit list --last 20")
    @click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many entries.")
    @click.option("--act", help="Only acts of this name, or below it: 'licence' finds licence.import.")
    def list_(face: Face, *, last: int, act: str | None) -> Result:
        """Show the last entries of the audit trail."""
        with face.site() as site:
            found = [each for each in entries(site.database) if act is None or f"{each.act}.".startswith(f"{act}.")]
        found = found[-last:]
        rows = [
            (each.seq, each.at, shown(each.who), each.act, shown(each.subject, 200), (each.after or "")[:19])
            for each in found
        ]
        return Result(
            {"entries": [each.as_dict() for each in found]},
            table(("entry", "time", "who", "act", "subject", "digest"), rows),
        )

    @command(group, "verify", example="ao audit verify")
    def verify(face: Face) -> Result:
        """Check that no entry was edited, removed, reordered or cut off. Exit code 101 where one was."""
        with face.site() as site:
            verdict = site.verify_audit()
        if verdict.first_bad is not None:
            raise AuditBroken(verdict.sentence, where=f"audit entry {verdict.first_bad}")
        return Result({"entries": verdict.entries, "head": verdict.head}, [verdict.sentence, f"Head: {verdict.head}"])

    @command(group, "export", example="ao audit export --out audit.ndjson")
    @click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
    @click.option("--after", type=click.IntRange(0), default=0, help="Only entries after this one.")
    def export(face: Face, *, out: Path, after: int) -> Result:
        """Write the trail as NDJSON, an entry a line, for the security officer's own archive."""
        with face.site() as site:
            lines = [json.dumps(each.as_dict(), ensure_ascii=True) for each in entries(site.database, after)]
        written = write_document(out, "".join(f"{line}\n" for line in lines).encode("ascii"), replace=True, mode=0o600)
        return Result(
            {"file": str(out), "entries": len(lines), "digest": written.sha256},
            [f"{len(lines)} entries in {shown(str(out), 400)}", written.sha256],
        )
