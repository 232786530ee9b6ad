"""`ao serve`."""

from __future__ import annotations

import json

import click

from appliance.cli.face import Face, Result, command
from appliance.observe.log_lines import log_to_standard_error
from appliance.settings import changed
from appliance.state.site import Site
from licensing.standing import Standing


def add_to(main: click.Group) -> None:
    @command(main, "serve", example="ao serve --host 0.0.0.0 --port 8080 --workers 4")
    @click.option("--host", help="Address to listen on.")
    @click.option("--port", type=click.IntRange(1, 65535))
    @click.option("--workers", type=click.IntRange(1, 256), help="Worker processes.")
    @click.option("--admin-listen", help="Where the admin API listens: unix:PATH, ADDRESS:PORT or none.")
    def serve(
        face: Face, *, host: str | None, port: int | None, workers: int | None, admin_listen: str | None
    ) -> Result:
        """Serve until SIGTERM. Refuses to start, with the licence rung's exit code, where the site may not serve."""
        from appliance.supervise import serve as serve_until_stopped

        given = {"host": host, "port": port, "workers": workers, "admin_listen": admin_listen}
        settings = changed(face.settings, given)
        log_to_standard_error()
        base_url = f"{settings.scheme}://{settings.host}:{settings.port}/v1"

        def ready(_: Site, standing: Standing) -> None:
            if face.as_json:
                facts = {
                    "base_url": base_url,
                    "admin": str(settings.admin),
                    "rung": standing.rung.value,
                    "warnings": list(standing.warnings),
                }
                click.echo(json.dumps(facts))
            else:
                click.echo(f"Serving at {base_url} ({standing.rung.value}: {standing.sentence})")
                click.echo(f"Admin API: {settings.admin}")
                for warning in standing.warnings:
                    click.echo(f"Warning: {warning}")

        serve_until_stopped(settings, on_ready=ready, by=face.by)
        return Result({"stopped": True}, ["Stopped."])
