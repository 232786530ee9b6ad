"""A site that was licensed with the commands of a checkout is served by the release: first completion, and the ledger.

The same under emulation for aarch64, with pages of 4 KiB and of 64 KiB: `make test-release-aarch64`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.made import Made, made, runtime_is_kept
from tests.real.processes import Process, free_port
from tests.real.site_and_vendor import Site, Vendor, config_of, first_line, run

EMULATOR = shutil.which("qemu-aarch64-static")
LIBRARIES = Path("/usr/aarch64-linux-gnu")
ASKED = os.environ.get("AO_TEST_AARCH64")

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("served")
    vendor = Vendor.made(folder / "vendor")
    return Site.licensed(folder / "site", vendor, config_of(("m-demo", "{name: demo}")), "--add-on", "demo")


@contextmanager
def serving(site: Site, program: Path, *, seconds: float) -> Iterator[tuple[Process, int]]:
    port = free_port()
    command = [str(program), "serve", "--port", str(port), "--workers", "1", "--json"]
    log = site.media / f"serve-{time.time_ns()}.log"
    with Process.started(command, log, environment=site.all_environment()) as process:
        first_line(process, seconds)
        yield process, port
        process.popen.terminate()
        assert process.popen.wait(timeout=seconds) == 0, process.said()


def completion(port: int, key: str, seconds: float) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=json.dumps({"model": "m-demo", "messages": [{"role": "user", "content": "Hello"}]}).encode(),
        headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=seconds) as reply:
        answer = json.load(reply)
        assert isinstance(answer, dict)
        return answer


def counted(site: Site) -> int:
    return len(site.ledger())


def test_a_licensed_site_is_served_to_a_first_completion_and_counted(made_release: Made, site: Site) -> None:
    key, before = site.key("first"), counted(site)
    with serving(site, made_release.tree / "bin/ao", seconds=60) as (process, port):
        assert completion(port, key, 30)["choices"][0]["message"]["content"]
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode() for pid in process.tree()]
        assert set(commands) == {str(made_release.tree / "runtime/bin/python3")}
    assert counted(site) == before + 1


def test_the_same_command_inspects_it(made_release: Made, site: Site) -> None:
    told = run([str(made_release.tree / "bin/ao"), "status", "--json"], site.all_environment())
    assert told.exit_code == 0
    assert told.data["site"] == site.ao("status")["site"]


@dataclass(frozen=True)
class Emulated:
    """A release for another machine whose Python, wherever it is started, runs under emulation."""

    tree: Path
    page: int

    @classmethod
    def of(cls, release: Path, into: Path, page: int) -> Emulated:
        shutil.copytree(release, into, copy_function=os.link)
        python = into / "runtime/bin/python3"
        python.rename(python.with_name("python3.emulated"))
        # argv[0] stays the wrapper's, so that a process that the release starts is emulated as well.
        python.write_text(
            f'#!/bin/sh\nexec {EMULATOR} -p {page} -L {LIBRARIES} -0 "$0" {python.with_name("python3.emulated")} "$@"\n'
        )
        python.chmod(0o755)
        return cls(into, page)

    @property
    def ao(self) -> Path:
        return self.tree / "bin/ao"


@pytest.fixture(scope="module", params=[4096, 65536], ids=["4 KiB", "64 KiB"])
def emulated(request: pytest.FixtureRequest) -> Iterator[Emulated]:
    if EMULATOR is None or not (LIBRARIES / "lib/libgcc_s.so.1").exists():
        pytest.skip("qemu-user-static and libgcc-s1-arm64-cross are not installed")
    if not runtime_is_kept("aarch64"):
        pytest.skip("no runtime for aarch64 is kept here: make runtime ARCH=aarch64")
    release = made("aarch64")
    # Beside what is kept, because files are linked.
    folder = Path(os.environ.get("AO_BUNDLE_CACHE") or release.tree.parents[1]) / f".emulated-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    yield Emulated.of(release.tree, folder / str(request.param), request.param)
    shutil.rmtree(folder)


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not ASKED, reason="emulation is slow: make test-release-aarch64")
def test_on_aarch64_it_serves_to_a_first_completion(emulated: Emulated, site: Site) -> None:
    code = "import platform, resource; print(platform.machine(), resource.getpagesize())"
    said = run([str(emulated.tree / "runtime/bin/python3"), "-I", "-c", code])
    assert said.out.split() == ["aarch64", str(emulated.page)], said
    began = time.monotonic()
    key, before = site.key(f"first-{emulated.page}"), counted(site)
    with serving(site, emulated.ao, seconds=600) as (_, port):
        ready = time.monotonic()
        assert completion(port, key, 300)["choices"][0]["message"]["content"]
        answered = time.monotonic()
    assert counted(site) == before + 1
    print(f"pages of {emulated.page} bytes: ready after {ready - began:.0f} s, answered in {answered - ready:.1f} s")
