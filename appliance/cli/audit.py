"""`ao audit list|search|verify|export`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command, table
from appliance.errors import AuditBroken
from appliance.observe.audit import Asked, Entry
from appliance.operations.audit import export_trail, read_trail, verify_export, verify_own_export, verify_trail
from appliance.operations.usage import key_in_request
from licensing.shown import shown
from media.writer import write_document

_WHEN = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])


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
            found = read_trail(site, fits=Asked(act=act).fits)
        return _told(found[-last:])

    @command(group, "search", example="ao audit search --who anna --act key --since 2027-03-01 --text billing-bot")
    @click.option("--who", help="Part of the name of who acted.")
    @click.option("--act", help="Acts of this name, or below it: 'licence' finds licence.import.")
    @click.option("--since", type=_WHEN, help="From this day or time (UTC) on.")
    @click.option("--until", type=_WHEN, help="Before this day or time (UTC).")
    @click.option("--text", help="Part of the subject, a digest or a detail; case does not matter.")
    @click.option("--last", type=click.IntRange(1), default=200, show_default=True, help="At most so many, the newest.")
    def search_(
        face: Face,
        *,
        who: str | None,
        act: str | None,
        since: datetime | None,
        until: datetime | None,
        text: str | None,
        last: int,
    ) -> Result:
        """Find entries that have all that is asked for. Exit code 1 where there are none."""
        asked = Asked(who=who, act=act, since=_in_utc(since), until=_in_utc(until), text=text)
        with face.site() as site:
            found = read_trail(site, fits=asked.fits)
        result = _told(found[-last:])
        if not found:
            return Result({"entries": []}, ["No entry has all that."], 1)
        return result

    @command(group, "verify", example="ao audit verify")
    @click.argument("file", required=False, type=click.Path(path_type=Path))
    @click.option("--request", type=click.Path(path_type=Path), help="The request of the site that wrote the FILE.")
    def verify(face: Face, *, file: Path | None, request: Path | None) -> Result:
        """Check that no entry was edited, removed, reordered or cut off. Exit code 101 where one was.

        Given a FILE that ao audit export wrote, it is held against this site's key, or, on any machine, against the
        key in the site's --request.
        """
        if request is not None:
            if file is None:
                raise click.UsageError("Name the FILE that the site wrote.")
            verdict = verify_export(file, key_in_request(request))
        else:
            with face.site() as site:
                verdict = verify_trail(site) if file is None else verify_own_export(site, file)
        if verdict.first_bad is not None:
            raise AuditBroken(verdict.sentence, where=f"audit entry {verdict.first_bad}")
        return Result({"entries": verdict.entries, "head": verdict.head}, [verdict.sentence, f"Head: {verdict.head}"])

    @command(group, "export", example="ao audit export --out audit.ndjson")
    @click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
    @click.option("--after", type=click.IntRange(0), default=0, help="Only entries after this one.")
    def export(face: Face, *, out: Path, after: int) -> Result:
        """Write the trail as NDJSON, an entry a line, for the security officer's own archive.

        The last line is the end that the site signs: ao audit verify FILE tells whether anything was touched since.
        """
        with face.site() as site:
            data = export_trail(site, face.now, after=after)
        written = write_document(out, data, replace=True, mode=0o600)
        count = data.count(b"\n") - 1
        return Result(
            {"file": str(out), "entries": count, "digest": written.sha256},
            [f"{count} entries in {shown(str(out), 400)}", written.sha256],
        )


def _in_utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None


def _told(found: list[Entry]) -> Result:
    rows = [
        (each.seq, each.at, shown(each.who), each.act, shown(each.subject, 200), (each.after or "")[:19])
        for each in found
    ]
    return Result(
        {"entries": [each.as_dict() for each in found]},
        table(("entry", "time", "who", "act", "subject", "digest"), rows),
    )
