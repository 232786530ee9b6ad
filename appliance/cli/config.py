"""`ao config import|show|diff` at a site; `ao config sign|cosign` wherever an officer's key is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from appliance.cli.config_history import add_history_to
from appliance.cli.face import Face, Result, command
from appliance.cli.passphrase import ask_passphrase, passphrase_options
from appliance.config.plan import describe
from appliance.config.words import policy_in_words
from appliance.officer.lay_out import Paper
from appliance.operations.config import activate_config, compare_config, config_in_force, examine_config
from appliance.operations.officer import Signed, prepare_to_cosign, prepare_to_sign, sign_paper
from licensing.document import format_time
from licensing.ratchet import Arrival
from licensing.shown import shown

FILE = click.Path(path_type=Path)


def add_to(main: click.Group) -> None:
    @main.group("config")
    def group() -> None:
        """Models and how they are routed: one signed file."""

    add_history_to(group)

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
            plan = compare_config(site, file, face.now)
        return Result({"plan": asdict(plan)}, plan.lines())

    @command(group, "show", example="ao config show --text")
    @click.option("--text", is_flag=True, help="The signed text itself.")
    def show(face: Face, *, text: bool) -> Result:
        """Show the config in force."""
        with face.site() as site:
            config, source = config_in_force(site)
        routes = [{"alias": each.alias, "deployment": each.id, "route": describe(each)} for each in config.deployments]
        lines = [f"Config {config.serial}, issued {format_time(config.issued_at)}"]
        lines += [f"  {each['alias']}: {each['route']}" for each in routes]
        routing = {alias: policy_in_words(policy) for alias, policy in config.routing.items()}
        lines += [f"  {alias}: {words}" for alias, words in routing.items()]
        return Result(
            {"serial": config.serial, "issued_at": format_time(config.issued_at), "models": routes, "routing": routing}
            | ({"text": source} if text else {}),
            source.splitlines() if text else lines,
        )

    @command(
        group,
        "sign",
        example="ao config sign plant.yaml --site plant-7 --serial 4 --key alice.key --out plant.yaml.signed",
    )
    @click.argument("file", type=FILE)
    @click.option("--site", required=True, help="The one site that it is for.")
    @click.option("--serial", type=click.IntRange(1, 2**62), required=True, help="Higher than the one in force there.")
    @click.option("--key", type=FILE, required=True, help="The officer's key file.")
    @click.option("--out", type=FILE, required=True, help="Where to write the signed config.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @passphrase_options
    def sign(
        face: Face,
        *,
        file: Path,
        site: str,
        serial: int,
        key: Path,
        out: Path,
        yes: bool,
        passphrase_file: Path | None,
        passphrase_fd: int | None,
    ) -> Result:
        """Sign the config in FILE as an officer, after showing what is signed.

        A head (kind, schema, serial, issued_at, site) is put before a text that has none, and checked where there is
        one. The text stays readable YAML, with its signatures in three comment lines at the end. No site's state is
        needed.
        """
        ask = ask_passphrase(passphrase_file, passphrase_fd)
        paper = prepare_to_sign(file, out, site=site, serial=serial, now=face.now)
        if (declined := _declined(face, paper, yes=yes)) is not None:
            return declined
        return _signed(paper, sign_paper(paper, key, ask, out), yes=yes)

    @command(group, "cosign", example="ao config cosign plant.yaml.signed --key bob.key")
    @click.argument("file", type=FILE)
    @click.option("--key", type=FILE, required=True, help="The officer's key file.")
    @click.option("--out", type=FILE, help="Where to write it.  [default: FILE]")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @passphrase_options
    def cosign(
        face: Face,
        *,
        file: Path,
        key: Path,
        out: Path | None,
        yes: bool,
        passphrase_file: Path | None,
        passphrase_fd: int | None,
    ) -> Result:
        """Add a second officer's signature to FILE, after showing what is signed; the others stay as they are."""
        ask = ask_passphrase(passphrase_file, passphrase_fd)
        target = out or file
        paper = prepare_to_cosign(file, target)
        if (declined := _declined(face, paper, yes=yes)) is not None:
            return declined
        return _signed(paper, sign_paper(paper, key, ask, target, replace=target == file), yes=yes)


def _declined(face: Face, paper: Paper, *, yes: bool) -> Result | None:
    """Shows what would be signed and asks; None where the officer agrees."""
    if yes:
        return None
    data = {**paper.as_dict(), "signed_with": None}
    if face.as_json:
        # Asking for JSON is no consent: a script that only reads must not sign.
        return Result(data, [], 1)
    for line in paper.lines():
        click.echo(line)
    return None if click.confirm("Sign it?") else Result(data, ["Nothing was signed."], 1)


def _signed(paper: Paper, signed: Signed, *, yes: bool) -> Result:
    data = {**paper.as_dict(), "signed_with": signed.keyid, "file": str(signed.file)}
    lines = paper.lines() if yes else []
    count = "1 signature" if signed.signatures == 1 else f"{signed.signatures} signatures"
    lines.append(f"Signed with key {signed.keyid[:12]}; {count} in {shown(str(signed.file), 400)}")
    return Result(data, lines)
