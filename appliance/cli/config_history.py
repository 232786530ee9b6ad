"""`ao config history|rollback` at a site; `ao config seal` wherever the text of a config is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command, table
from appliance.operations.config_history import find_way_back, go_back, history
from appliance.operations.config_seal import seal_config
from licensing.shown import shown

FILE = click.Path(path_type=Path)


def add_history_to(group: click.Group) -> None:
    @command(group, "history", example="ao config history")
    def history_(face: Face) -> Result:
        """Show which configs were in force when, the newest first."""
        with face.site() as site:
            activations = history(site)
        rows = [
            (each.floor.serial, each.at, each.until or "now", each.how, shown(each.who), each.floor.digest[:19])
            for each in activations
        ]
        return Result(
            {"history": [asdict(each) for each in activations]},
            table(("serial", "from", "until", "by", "who", "digest"), rows)
            if rows
            else ["No config was ever in force."],
        )

    @command(group, "rollback", example="ao config rollback --to 3")
    @click.option("--to", "serial", type=click.IntRange(1), help="The serial to go back to.  [default: the one before]")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def rollback(face: Face, *, serial: int | None, yes: bool) -> Result:
        """Go back to a config that was in force on this site before, after showing what changes.

        Only within the key epoch of today's signers, and not below the serial that the newest config allows
        (`rollback: {not_below: …}`). The newest config can be put in force again by importing it again.
        """
        with face.site() as site:
            way = find_way_back(site, serial, face.secrets(), face.now)
            data = {"serial": way.former.serial, "plan": asdict(way.candidate.plan)}
            lines = way.candidate.plan.lines()
            if not yes and face.as_json:
                return Result({**data, "outcome": "not agreed"}, [], 1)
            if not yes:
                for line in lines:
                    click.echo(line)
                lines = []
                if not click.confirm("Go back to this config?"):
                    return Result({**data, "outcome": "declined"}, ["Nothing was changed."], 1)
            go_back(site, way, face.now)
        return Result({**data, "outcome": "in force"}, [*lines, f"Config {way.former.serial} is in force again."])

    @command(
        group, "seal", example="ao config seal plant.yaml --request site-request.signed.json --out plant.sealed.yaml"
    )
    @click.argument("file", type=FILE)
    @click.option("--request", type=FILE, required=True, help="The request of the site that the config is for.")
    @click.option("--out", type=FILE, required=True, help="Where to write the sealed text.")
    def seal(face: Face, *, file: Path, request: Path, out: Path) -> Result:
        """Seal every provider key that stands in clear in FILE to one site, before the config is signed.

        Only that site can open them, and only in the entry that they stand in: another alias, provider or address, and
        the value is refused. Nothing else in the text changes. No site's state is needed.
        """
        sealed = seal_config(file, request, out)
        lines = [f"sealed  {each}" for each in sealed.sealed] + [f"left    {each}" for each in sealed.left]
        data = {"file": str(out), "site": sealed.site, "sealed": list(sealed.sealed), "left": list(sealed.left)}
        return Result(data, [*lines, f"For site {sealed.site}: {shown(str(out), 400)}"])
