"""`ao config import|show|diff`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.config.plan import describe
from appliance.operations.config import activate_config, config_in_force, examine_config
from licensing.document import format_time
from licensing.ratchet import Arrival


def add_to(main: click.Group) -> None:
    @main.group("config")
    def group() -> None:
        """Models and how they are routed: one signed file."""

    @command(group, "import", example="ao config import /media/usb/config.yaml.signed")
    @click.argument("file", type=click.Path(path_type=Path))
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def import_(face: Face, *, file: Path, yes: bool) -> Result:
        """Show what a config would change, ask, and put it in force without dropping a request."""
        with face.site() as site:
            candidate = examine_config(site, file, face.secrets(), face.now)
            serial = candidate.plan.serial_after
            if candidate.arrival is Arrival.SAME:
                return Result({"serial": serial, "arrival": "same"}, [f"Config {serial} was already in force."])
            lines = candidate.plan.lines()
            if not yes and face.as_json:
                # Asking for JSON is no consent: a script that only reads must not change what is served.
                return Result({"serial": serial, "arrival": "not agreed", "plan": asdict(candidate.plan)}, [], 1)
            if not yes:
                for line in lines:
                    click.echo(line)
                lines = []
                if not click.confirm("Put this config in force?"):
                    return Result({"serial": serial, "arrival": "declined"}, ["Nothing was changed."], 1)
            activate_config(site, candidate, face.now)
        return Result(
            {"serial": serial, "arrival": "new", "plan": asdict(candidate.plan)},
            [*lines, f"Config {serial} is in force."],
        )

    @command(group, "diff", example="ao config diff config.yaml.signed")
    @click.argument("file", type=click.Path(path_type=Path))
    def diff(face: Face, *, file: Path) -> Result:
        """Show what a config would change, and change nothing."""
        with face.site() as site:
            candidate = examine_config(site, file, face.secrets(), face.now)
        return Result({"arrival": candidate.arrival.value, "plan": asdict(candidate.plan)}, candidate.plan.lines())

    @command(group, "show", example="ao config show --text")
    @click.option("--text", is_flag=True, help="The signed text itself.")
    def show(face: Face, *, text: bool) -> Result:
        """Show the config in force."""
        with face.site() as site:
            config, source = config_in_force(site)
        routes = [{"alias": each.alias, "route": describe(each)} for each in config.deployments]
        lines = [f"Config {config.serial}, issued {format_time(config.issued_at)}"]
        lines += [f"  {each['alias']}: {each['route']}" for each in routes]
        return Result(
            {"serial": config.serial, "issued_at": format_time(config.issued_at), "models": routes}
            | ({"text": source} if text else {}),
            source.splitlines() if text else lines,
        )
