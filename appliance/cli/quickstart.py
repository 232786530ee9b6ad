"""`ao quickstart`: from nothing to a licensed gateway that answers, in one command."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from appliance.cli.face import Face, Result, command
from appliance.observe.log_lines import log_to_standard_error
from appliance.operations.quickstart import CHAT_ALIAS, OTHER_ALIAS, Folders, quickstart, vendor_command
from appliance.state.site import Site
from licensing.standing import Standing


def add_to(main: click.Group) -> None:
    @command(main, "quickstart", example="ao quickstart --upstream http://127.0.0.1:8000/v1")
    @click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("quickstart"), show_default=True)
    @click.option("--host", default="127.0.0.1", show_default=True)
    @click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
    @click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True)
    @click.option("--upstream", help="An OpenAI-compatible model server instead of the demonstration model.")
    @click.option("--rpm", type=click.IntRange(1), help="A cap for the demonstration licence, requests a minute.")
    @click.option("--no-serve", is_flag=True, help="Make everything, and stop there.")
    @click.option("--upstream-model", default="default", show_default=True, help="Its name for the model.")
    def quickstart_(
        face: Face,
        *,
        folder: Path,
        host: str,
        port: int,
        workers: int,
        rpm: int | None,
        no_serve: bool,
        upstream: str | None,
        upstream_model: str,
    ) -> Result:
        """Make a demonstration vendor and a licensed site in a folder, and serve. Run it again to continue."""
        from appliance.supervise import serve

        made = quickstart(
            folder,
            upstream=upstream,
            upstream_model=upstream_model,
            rpm=rpm,
            clock=lambda: datetime.now(UTC).replace(microsecond=0),
            by=face.by,
        )
        settings = face.settings.model_copy(
            update={"state_dir": made.folders.state, "host": host, "port": port, "workers": workers}
        )
        log_to_standard_error()
        base_url = f"http://{host}:{port}/v1"

        facts = {"base_url": base_url, "key": made.key, "model": CHAT_ALIAS, "dir": str(made.folders.top)}
        if no_serve:
            return Result(facts, [*(f"  · {step}" for step in made.steps), f"Made in {made.folders.top}."])

        def ready(_: Site, standing: Standing) -> None:
            if face.as_json:
                click.echo(json.dumps(facts))
                return
            for line in welcome(made.folders, made.key, base_url, made.steps, standing):
                click.echo(line)

        serve(settings, on_ready=ready, by=face.by)
        return Result({"stopped": True}, ["Stopped. Run the same command again to continue with what is there."])


def welcome(folders: Folders, key: str, base_url: str, steps: tuple[str, ...], standing: Standing) -> list[str]:
    """What a newcomer needs, on one screen, ready to be pasted."""
    ao, vendor = _typed("ao"), _shortest(Path(vendor_command() or "ao-vendor"))
    state = f"--state-dir {_shortest(folders.state)}"
    media = _shortest(folders.media)
    return [
        *(f"  · {step}" for step in steps),
        "",
        f"AO Appliance is serving. Licence {standing.rung.value}: {standing.sentence}",
        "",
        f"  base URL   {base_url}",
        f"  API key    {key}",
        f"  models     {CHAT_ALIAS} (two deployments), {OTHER_ALIAS}",
        f"  files      {_shortest(folders.top)}/",
        "",
        "Try it:",
        f"  curl {base_url}/chat/completions -H 'Authorization: Bearer {key}' \\",
        f"""    -d '{{"model": "{CHAT_ALIAS}", "messages": [{{"role": "user", "content": "Hello"}}]}}'""",
        "",
        "or in Python:",
        "  from openai import OpenAI",
        f'  client = OpenAI(base_url="{base_url}", api_key="{key}")',
        f'  print(client.chat.completions.create(model="{CHAT_ALIAS}", '
        'messages=[{"role": "user", "content": "Hello"}]).choices[0].message.content)',
        "",
        "Then, in another terminal, see usage leave and come back acknowledged:",
        f"  {ao} status {state}",
        f"  {ao} usage seal --now {state}",
        f"  {ao} usage export --out {media} {state}",
        f"  {vendor} --home {_shortest(folders.vendor)} usage reconcile {media}/usage-*.signed.json \\",
        f"    --receipts {media} --passphrase-file {_shortest(folders.passphrase)}",
        f"  {ao} receipt import {media}/receipt-*.signed.json {state}",
        "",
        "Stop with Ctrl-C.",
    ]


def _typed(name: str) -> str:
    """How this command is typed here: by its name where that is on the path, else by where it lies."""
    return name if shutil.which(name) else _shortest(Path(sys.executable).with_name(name))


def _shortest(path: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
