"""`ao serve`, `ao healthcheck`."""

from __future__ import annotations

import http
import json

import click

from appliance.cli.face import Face, Result, command
from appliance.errors import NotServing
from appliance.gateway_process import ask
from appliance.observe.log_lines import log_to_standard_error
from appliance.serve_socket import ask_whether_ready
from appliance.settings import changed
from appliance.state.site import Site
from licensing.shown import shown
from licensing.standing import Standing


def add_to(main: click.Group) -> None:
    @command(main, "serve", example="ao serve --host 0.0.0.0 --port 8080 --workers 4")
    @click.option("--host", help="Address to listen on.")
    @click.option("--port", type=click.IntRange(1, 65535))
    @click.option("--workers", type=click.IntRange(1, 256), help="Worker processes.")
    @click.option("--admin-listen", help="Where the admin API listens: unix:PATH, ADDRESS:PORT or none.")
    @click.option("--wait", is_flag=True, help="Where the site may not serve yet, say why and wait until it may.")
    def serve(
        face: Face, *, host: str | None, port: int | None, workers: int | None, admin_listen: str | None, wait: bool
    ) -> Result:
        """Serve until SIGTERM. Refuses to start, with the licence rung's exit code, where the site may not serve.

        With --wait it stays where an import can mend that (no site yet, the licence, the config, its secrets), and
        serves as soon as it may: for a container, which would be started again and again instead.
        """
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

        serve_until_stopped(settings, on_ready=ready, by=face.by, patiently=wait)
        return Result({"stopped": True}, ["Stopped."])

    @command(main, "healthcheck", example="ao healthcheck --ready")
    @click.option("--ready", is_flag=True, help="Also whether a call would be answered now.")
    def healthcheck(face: Face, *, ready: bool) -> Result:
        """Ask the gateway of this host's settings whether it lives. Exit code 0, or 100 where it does not.

        For whatever watches a container and finds no other program in it.
        """
        path = "/readyz" if ready else "/healthz"
        if face.settings.tls_client_ca is None:
            answer = ask(face.settings, path)
        else:
            # Its clients need a certificate, which this program has not.
            answer = ask_whether_ready(face.settings.state_dir)
        where = f"{face.settings.scheme}://{face.settings.host}:{face.settings.port}{path}"
        if not answer.status:
            raise NotServing("Nobody answers.", where=where)
        if answer.status != http.HTTPStatus.OK and path == "/readyz":
            raise NotServing(f"Calls would be refused: {_told(answer.body)}.", where=where, remedy="Run: ao status.")
        return Result({"answers": True, "path": path}, [f"{where} answers."])


def _told(body: bytes) -> str:
    """The code that /readyz gives for its reason."""
    try:
        found = json.loads(body)
    except ValueError:
        return "no reason is told"
    return shown(str(found.get("code"))) if isinstance(found, dict) else "no reason is told"
