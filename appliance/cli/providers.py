"""`ao providers list|show`."""

from __future__ import annotations

import click

from appliance.cli.face import Face, Result, command, table
from appliance.operations.providers import as_data, list_providers, show_provider
from appliance.providers.row import WIRES


def add_to(main: click.Group) -> None:
    @main.group("providers")
    def group() -> None:
        """The catalogue of providers that a config may name."""

    @command(group, "list", example="ao providers list --wire openai --confirmed vendor-doc")
    @click.option("--region", help="Where the address or title says it is, or that it can be chosen: cn, eu, intl.")
    @click.option("--wire", type=click.Choice(WIRES), help="The API that it speaks.")
    @click.option(
        "--confirmed", type=click.Choice(["vendor-doc", "secondary", "partly", "no"]), help="How far it was confirmed."
    )
    def list_(face: Face, *, region: str | None, wire: str | None, confirmed: str | None) -> Result:
        """List the rows of the catalogue. Nothing is called."""
        rows = list_providers(region=region, wire=wire, confirmed=confirmed)
        header = ("id", "wire", "private", "confirmed", "api_base")
        shown = [[row.id, row.wire, "yes" if row.private else "no", row.confirmed, row.api_base] for row in rows]
        return Result({"providers": [as_data(row) for row in rows]}, table(header, shown))

    @command(group, "show", example="ao providers show bedrock-converse")
    @click.argument("name")
    def show(face: Face, *, name: str) -> Result:
        """Show all that is known of one provider, and how a config names it."""
        row = show_provider(name)
        data = as_data(row)
        lines = [f"{member}: {_text(value)}" for member, value in data.items() if value not in (None, (), {}, [])]
        wanted = [each for each in row.parameters if each not in row.defaults]
        given = f", parameters: {{{', '.join(f'{each}: …' for each in wanted)}}}" if wanted else ""
        key = "" if row.auth == "none" else ", api_key: ${NAME}"
        return Result(dict(data), [*lines, "", f"provider: {{name: {row.id}{given}{key}}}"])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
