"""`ao sessions list|end`."""

from __future__ import annotations

from typing import Any

import click

from appliance.access.sessions import Session
from appliance.cli.face import Face, Result, command, table
from appliance.operations.administrators import end_session, list_sessions
from licensing.document import format_time


def add_to(main: click.Group) -> None:
    @main.group("sessions")
    def group() -> None:
        """Administrators who are signed in."""

    @command(group, "list", example="ao sessions list")
    def list_(face: Face) -> Result:
        """List the sessions that last."""
        with face.site() as site:
            found = [_data(each) for each in list_sessions(site, face.now)]
        header = ("id", "administrator", "started_at", "seen_at", "ends_at", "source")
        return Result({"sessions": found}, table(header, [[row[name] for name in header] for row in found]))

    @command(group, "end", example="ao sessions end ses_0f3a9c21d7b4")
    @click.argument("session")
    def end(face: Face, *, session: str) -> Result:
        """End a session: its very next call is refused."""
        with face.site() as site:
            end_session(site, session, face.now)
        return Result({"ended": session}, [f"{session} has ended."])


def _data(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "administrator": session.administrator,
        "started_at": format_time(session.started_at),
        "seen_at": format_time(session.seen_at),
        "ends_at": format_time(session.ends_at),
        "source": session.source,
    }
