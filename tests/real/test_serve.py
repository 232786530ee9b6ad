"""What `ao serve` says, and how it comes and goes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.real.processes import Process, alive, free_port, http_get, wait_until
from tests.real.site_and_vendor import PROGRAMS, Site, Vendor, config_of, first_line

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Site:
    config = config_of(("m-demo", "{name: demo}"))
    return Site.licensed(tmp_path_factory.mktemp("serve"), vendor, config, "--add-on", "demo", name="serve-site")


def test_with_json_it_prints_nothing_but_json(site: Site) -> None:
    """Whatever the gateway's processes have to say (here: more workers than processors) goes to standard error."""
    with site.serving(workers=(os.cpu_count() or 1) + 1) as gateway:
        assert gateway.stop() == 0
        lines = gateway.process.log.read_text().splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["admin", "base_url", "rung", "warnings"], ["stopped"]]


def test_it_can_be_restarted_on_its_port_at_once_and_leaves_nobody_behind(site: Site) -> None:
    port = free_port()
    for _ in range(2):
        with site.serving(port=port, workers=2) as gateway:
            assert http_get(port, "/healthz") == (200, b'{"status":"alive"}')
            pids = gateway.process.tree()
            assert gateway.stop() == 0
            wait_until(lambda pids=pids: not any(alive(pid) for pid in pids), "nobody is left")  # type: ignore[misc]


def test_status_tells_whether_it_serves(site: Site) -> None:
    assert site.ao("status")["running_since"] is None
    with site.serving() as gateway:
        assert site.ao("status")["running_since"] is not None
        assert gateway.stop() == 0
    assert site.ao("status")["running_since"] is None


def test_a_new_config_is_taken_up_without_dropping_a_request(site: Site, vendor: Vendor) -> None:
    key = site.key()
    headers = {"authorization": f"Bearer {key}"}
    with site.serving(workers=2) as gateway:

        def models() -> list[str]:
            status, body = http_get(gateway.port, "/v1/models", headers)
            assert status == 200
            return [model["id"] for model in json.loads(body)["data"]]

        assert models() == ["m-demo"]
        site.put_in_force(vendor, config_of(("m-demo", "{name: demo}"), ("m-more", "{name: demo}")))
        for _ in range(8):
            assert models() == ["m-demo", "m-more"]
        assert gateway.stop() == 0


def test_starts_and_stops_are_told_in_the_usage_file(site: Site) -> None:
    with site.serving() as gateway:
        assert gateway.stop() == 0
    time.sleep(1.1)
    site.ao("usage", "seal", "--now")
    [file] = site.ao("usage", "export", "--out", str(site.media))["files"]
    runs = site.ao("usage", "show", file["file"])["runs"]
    assert runs
    assert all(run["stopped"] is not None for run in runs)


def test_asked_to_wait_it_serves_as_soon_as_licence_and_config_have_come(tmp_path: Path, vendor: Vendor) -> None:
    """From a state folder that holds nothing at all, without being started again."""
    waiting = Site("waiting-site", tmp_path / "state", tmp_path / "media")
    waiting.media.mkdir()
    port = free_port()
    command = [str(PROGRAMS / "ao"), "serve", "--wait", "--port", str(port), "--json"]
    with Process.started(command, tmp_path / "serve.log", environment=waiting.all_environment()) as process:
        wait_until(lambda: "[not_initialised]" in process.said(), "it says that there is no site")
        site = Site.licensed(
            tmp_path, vendor, config_of(("m-demo", "{name: demo}")), "--add-on", "demo", name="waiting-site"
        )
        first_line(process)
        assert "[licence_missing]" in process.said() or "[config_missing]" in process.said()
        assert http_get(port, "/readyz")[0] == 200
        assert site.ao("status")["running_since"] is not None
        process.popen.terminate()
        assert process.popen.wait(timeout=20) == 0


def test_asked_to_stop_while_it_waits_it_ends_well(tmp_path: Path) -> None:
    command = [str(PROGRAMS / "ao"), "serve", "--wait", "--port", str(free_port())]
    with Process.started(command, tmp_path / "log", environment={"AO_STATE_DIR": str(tmp_path / "none")}) as process:
        wait_until(lambda: "[not_initialised]" in process.said(), "it waits")
        process.popen.terminate()
        assert process.popen.wait(timeout=20) == 0


def test_whether_it_lives_is_asked_by_a_command(site: Site, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    with site.serving() as gateway:
        settings.write_text(f"port = {gateway.port}\n")
        asked = ("healthcheck", "--settings", str(settings))
        assert site.ao(*asked) == {"answers": True, "path": "/healthz"}
        assert site.ao(*asked, "--ready") == {"answers": True, "path": "/readyz"}
        assert gateway.stop() == 0
    assert site.ao(*asked, expect=100)["error"]["message"] == "Nobody answers."
