"""`ao init`, `ao site request`."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.operations.site import initialise, write_request
from appliance.state.site import ENTROPY_BYTES


def add_to(main: click.Group) -> None:
    @command(main, "init", example="ao init --site acme-berlin --name 'Acme Bank, Berlin' --trust trust.json")
    @click.option("--site", required=True, help="The site's id: lower-case letters, digits, dashes.")
    @click.option("--name", required=True, help="The site's name, as people say it.")
    @click.option(
        "--trust", "trust_file", required=True, type=click.Path(path_type=Path), help="The vendor's trust.json."
    )
    def init(face: Face, *, site: str, name: str, trust_file: Path) -> Result:
        """Make the state folder of a new site: its own key, the vendor's trust pinned, and its request for a licence.

        Compare the printed digest with the one the vendor reads aloud: whoever controls this file controls what this
        site believes.
        """
        made = initialise(
            face.settings.state_dir,
            site=site,
            name=name,
            trust_file=trust_file,
            now=face.now,
            entropy=secrets.token_bytes(ENTROPY_BYTES),
            by=face.by,
        )
        return Result(
            {
                "site": made.site,
                "epoch": made.epoch,
                "key": made.key,
                "trust": made.trust_digest,
                "state_dir": str(made.folder),
                "request": str(made.request),
            },
            [
                f"Site {made.site} is made in {made.folder}.",
                f"Pinned trust  {made.trust_digest}",
                f"Site key      {made.key}",
                "Compare the digest of the pinned trust with the vendor's.",
                f"Its request for a licence lies ready: {made.request}. To put it on a medium:",
                "  ao site request --out /media/usb/site-request.signed.json",
            ],
        )

    @main.group("site")
    def group() -> None:
        """This site and its request to the vendor."""

    @command(group, "request", example="ao site request --out /media/usb/site-request.signed.json")
    @click.option("--out", type=click.Path(path_type=Path), default=Path("site-request.signed.json"), show_default=True)
    def request(face: Face, *, out: Path) -> Result:
        """Write this site's request for a licence, signed by the site's own key."""
        with face.site() as site:
            digest = write_request(site, out, face.now)
        return Result(
            {"file": str(out), "digest": digest},
            [f"{out} is written and safe to carry to the vendor.", f"{digest}"],
        )
