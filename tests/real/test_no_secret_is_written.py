"""Keys, prompts and completions are held in memory and nowhere else, whatever befalls the gateway.

Secrets are planted in every place that they can come from; the gateway is led through an import, good calls, refused
ones, upstreams that repeat what they were sent, faults that quote what they worked on, and workers that are killed.
Then every byte that it wrote is searched. The one file that holds a secret by its nature is the signed config on the
medium.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from appliance.config.sealed import Place, seal
from appliance.state.site import open_site
from tests.appliance.gateway.frames import DONE, content, finish, frame
from tests.appliance.gateway.upstreams import (
    END,
    SCRIPTS,
    STREAM_HEAD,
    Received,
    Script,
    Upstream,
    answer_body,
    chunk,
    reply,
    write,
)
from tests.appliance.gateways import AO, Gateway
from tests.appliance.papers import DEMO_MODELS, SITE, config_bytes, entropy
from tests.real.processes import wait_until
from tests.real.secret_search import files_below, forms_of, found_in

pytestmark = pytest.mark.real


def planted(name: str) -> str:
    return f"sk-{base64.b32encode(entropy(name, 20)).decode().lower()}"


SECRETS: Mapping[str, str] = {
    name: planted(name) for name in ("clear key", "sealed key", "environment key", "file key", "prompt", "completion")
}
PROVIDER_KEYS = ("clear key", "sealed key", "environment key", "file key")

FAULTS = '''
"""Plants bugs of the kind that nobody foresees: exceptions that quote what was being worked on."""
import os
if os.environ.get("PLANT_FAULTS"):
    import appliance.gateway.endpoints as endpoints
    import appliance.gateway.failover as failover
    parse_call, answer_of = endpoints.parse_call, failover.answer_of

    def parse(endpoint, body, *more):
        if b"early-fault" in body:
            try:
                raise KeyError(body.decode())
            except KeyError as cause:
                raise RuntimeError(f"cannot handle {body!r}") from cause
        return parse_call(endpoint, body, *more)

    async def answer(client, exchange, route, *more):
        if route.deployment.alias == "late-fault":
            raise RuntimeError(f"cannot use {route.api_key!r}")
        return await answer_of(client, exchange, route, *more)

    endpoints.parse_call, failover.answer_of = parse, answer
'''


def repeating(status: int) -> Script:
    """A model server that tells in its error all that it was sent."""

    async def script(received: Received, out: object) -> None:
        told = f"{received.headers.get('authorization')} {json.dumps(received.body)}"
        error = {"error": {"message": told, "type": told, "param": told, "code": told}}
        await reply(status, error, f"x-told: {told}")(received, out)  # type: ignore[arg-type]

    return script


OWN_SCRIPTS: dict[str, Script] = {
    "says": reply(200, answer_body(SECRETS["completion"])),
    "streams": write(STREAM_HEAD, chunk(frame(content(SECRETS["completion"])) + frame(finish()) + DONE), END),
    "breaks-off": write(STREAM_HEAD, chunk(frame(content(SECRETS["completion"]))), 0.05, close=True),
    "spoils": reply(200, f'{{"choices":[{{"message": {SECRETS["completion"]}'.encode()),
    "repeats-400": repeating(400),
    "repeats-401": repeating(401),
    "repeats-500": repeating(500),
    "hangs-on": write(STREAM_HEAD, chunk(frame(content(SECRETS["completion"]))), 60.0),
}


@dataclass
class Watched(Gateway):
    """A gateway of which everything that it writes lies below one folder; the shell allows it core dumps."""

    folder: Path
    answers: list[bytes] = field(default_factory=list)

    def __init__(self, folder: Path) -> None:
        self.folder, self.answers = folder, []
        super().__init__(folder, DEMO_MODELS, workers=2)
        for each in ("dumps", "credentials", "bugs", "exports", "temporary"):
            (folder / each).mkdir()
        (folder / "bugs" / "sitecustomize.py").write_text(FAULTS)
        (folder / "credentials" / "FILE_KEY").write_text(SECRETS["file key"] + "\n")
        self.extra_environment = {
            "UPSTREAM_KEY": SECRETS["environment key"],
            "CREDENTIALS_DIRECTORY": str(folder / "credentials"),
            "TMPDIR": str(folder / "temporary"),
            "SQLITE_TMPDIR": str(folder / "temporary"),
            "PYTHONPATH": str(folder / "bugs"),
        }

    def start(self) -> None:
        command = f"ulimit -c unlimited && exec {AO} serve --json --port {self.port} --workers 2"
        stdout = self.folder / "stdout"
        stdout.touch()
        starts = stdout.read_text().count('"rung"')
        with self.stderr.open("ab") as err, stdout.open("ab") as out:
            self.process = subprocess.Popen(
                ["sh", "-c", command],
                env=self.environment | {"PLANT_FAULTS": "1"},
                cwd=self.folder / "dumps",
                stdout=out,
                stderr=err,
                text=True,
            )
        wait_until(lambda: stdout.read_text().count('"rung"') > starts, f"it serves:\n{self.stderr.read_text()}", 40)

    def run(self, name: str, *arguments: str, expect: int = 0) -> str:
        """`ao …`; what it says is among the exports."""
        done = self.ao(*arguments)
        assert done.returncode == expect, f"{arguments}: {done}"
        (self.folder / "exports" / f"{name}.said").write_text(done.stdout + done.stderr)
        return done.stdout + done.stderr

    def asked(self, model: str, *, prompt: str = SECRETS["prompt"], **more: object) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
        headers = {"authorization": f"Bearer {self.key}"}
        url = f"{self.url}/v1/chat/completions"
        answer = httpx.post(url, json=body, headers=headers, timeout=30, trust_env=False)
        self.answers.append(answer.content + repr(answer.headers).encode())
        return answer


def config_of(gateway: Gateway, upstream: Upstream) -> str:
    """Each script is an alias with the key from the environment; three more have theirs from elsewhere."""

    def base(script: str) -> str:
        return f"http://127.0.0.1:{upstream.port}/{script}/v1"

    with closing(open_site(gateway.state)) as site:
        place = Place(SITE, "sealed", "openai-compatible", base("repeats-400"))
        sealed = seal(SECRETS["sealed key"], place, site.key.sealing_public)
    keys = dict.fromkeys([*OWN_SCRIPTS, "late-fault"], "${UPSTREAM_KEY}")
    keys |= {"clear": SECRETS["clear key"], "sealed": sealed, "filed": "${FILE_KEY}"}
    lines = ["models:"]
    for alias, key in keys.items():
        script = alias if alias in OWN_SCRIPTS else "repeats-400"
        lines += [f"  - alias: {alias}", "    provider:", "      name: openai-compatible", f"      api_key: {key}"]
        lines += [f"      api_base: {base(script)}"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    SCRIPTS.update(OWN_SCRIPTS)
    with Upstream() as server:
        yield server
    for name in OWN_SCRIPTS:
        del SCRIPTS[name]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Watched]:
    """A gateway after all of it, stopped; and what it wrote while it ran has been searched before it stopped."""
    made = Watched(tmp_path_factory.mktemp("watched"))
    made.start()
    try:
        import_configs(made, upstream)
        call(made)
        kill(made)
        export(made)
        assert traces(made) == [], "while it runs: the write-ahead log and all"
        made.stop()
        made.start()
        made.asked("says")
        assert made.process is not None
        os.kill(made.process.pid, signal.SIGKILL)
        made.process.wait(10)
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()


def import_configs(gateway: Watched, upstream: Upstream) -> None:
    """Three times, so that stored pages are replaced and freed; once back and forth."""
    now = datetime.now(UTC).replace(microsecond=0)
    text = config_of(gateway, upstream)
    for serial in (2, 3, 4):
        file = gateway.folder / "stick" / f"config-{serial}.yaml.signed"
        file.write_bytes(config_bytes(text + f"# {serial}\n", serial=serial, now=now))
        gateway.run(f"diff-{serial}", "config", "diff", str(file))
        said = gateway.run(f"import-{serial}", "config", "import", str(file), "--yes", "--json")
        assert "the provider keys of clear stand in clear in this config: ao config seal" in said
    gateway.run("rollback", "config", "rollback", "--yes")
    gateway.run("forth", "config", "import", str(file), "--yes")
    spoilt = gateway.folder / "stick" / "config-spoilt.yaml.signed"
    spoilt.write_bytes(config_bytes(text.replace("${UPSTREAM_KEY}", "${MISSING}"), serial=5, now=now))
    gateway.run("missing", "config", "import", str(spoilt), "--yes", expect=62)


def call(gateway: Watched) -> None:
    wanted = {
        "says": 200, "spoils": 502, "repeats-400": 400, "repeats-401": 502, "repeats-500": 502,
        "clear": 400, "sealed": 400, "filed": 400, "late-fault": 500,
    }  # fmt: skip
    for alias, status in wanted.items():
        for _ in range(2):
            assert gateway.asked(alias).status_code == status, alias
    for alias in ("streams", "breaks-off", "repeats-500", "late-fault"):
        gateway.asked(alias, stream=True)
    assert gateway.asked("says", early="early-fault").status_code == 500
    assert gateway.asked(SECRETS["prompt"]).status_code == 404
    assert gateway.asked("says", stream=SECRETS["prompt"]).status_code == 400
    url = f"{gateway.url}/v1/chat/completions"
    for body, key in (
        (SECRETS["prompt"], gateway.key),
        (f'{{"model": "says", "messages": "{SECRETS["prompt"]}', gateway.key),
        ("[" * 50_000 + SECRETS["prompt"], gateway.key),
        ('{"model":"says","messages":' + "[" * 50_000 + f'"{SECRETS["prompt"]}"' + "]" * 50_000 + "}", gateway.key),
        (SECRETS["prompt"], gateway.key[:-1] + "x"),
    ):
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        answer = httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False)
        assert answer.status_code >= 400
    httpx.get(f"{gateway.url}/v1/{SECRETS['prompt']}", timeout=30, trust_env=False)


def kill(gateway: Watched) -> None:
    """One worker in the midst of a stream by SIGKILL, one by a signal that makes others leave a core dump."""
    headers = {"authorization": f"Bearer {gateway.key}"}
    body = {"model": "hangs-on", "stream": True, "messages": [{"role": "user", "content": SECRETS["prompt"]}]}
    for how in (signal.SIGKILL, signal.SIGABRT):
        workers = gateway.workers()
        with suppress(httpx.HTTPError), httpx.stream(
            "POST", f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=30, trust_env=False
        ) as answer:  # fmt: skip
            next(answer.iter_bytes())
            for pid in workers:
                os.kill(pid, how)
        wait_until(lambda gone=workers: ready(gateway, gone), "new workers serve", 40)  # type: ignore[misc]
        assert gateway.asked("says").status_code == 200
        time.sleep(6)  # workers that die again within 5.5 s end the gateway, and this is not about that


def ready(gateway: Watched, gone: list[int]) -> bool:
    workers = gateway.workers()
    if len(workers) < 2 or set(workers) & set(gone):
        return False
    with suppress(httpx.HTTPError):
        return httpx.get(f"{gateway.url}/readyz", timeout=5, trust_env=False).status_code == 200
    return False


def export(gateway: Watched) -> None:
    exports, medium = gateway.folder / "exports", gateway.folder / "medium"
    medium.mkdir()
    gateway.run("seal", "usage", "seal", "--now")
    gateway.run("usage", "usage", "export", "--out", str(exports))
    gateway.run("exchange", "media", "exchange", str(medium), "--yes")
    gateway.run("audit", "audit", "export", "--out", str(exports / "audit.ndjson"))
    for name, words in {
        "status": ("status", "--json"),
        "history": ("config", "history", "--json"),
        "show": ("config", "show", "--json"),
        "show-lines": ("config", "show"),
        "keys": ("keys", "list", "--json"),
        "verify": ("audit", "verify"),
        "metrics-command": ("metrics",),
    }.items():
        gateway.run(name, *words)
    metrics = httpx.get(f"{gateway.url}/metrics", timeout=10, trust_env=False)
    (exports / "metrics").write_bytes(metrics.content)
    assert metrics.status_code == 200


def traces(gateway: Watched) -> list[str]:
    """Where any secret stands but on the medium that it came on, in the credentials folder and in the planted bugs."""
    own = [gateway.folder / name for name in ("stick", "credentials", "bugs")]
    files = [each for each in files_below(gateway.folder) if not any(each.is_relative_to(folder) for folder in own)]
    return found_in(files, {**SECRETS, "app key": gateway.key[11:]})


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_nothing_that_the_gateway_wrote_holds_a_secret(gateway: Watched) -> None:
    assert traces(gateway) == []
    written = {each.relative_to(gateway.folder).parts[0] for each in files_below(gateway.folder)}
    assert {"state", "stdout", "stderr", "exports", "medium"} <= written
    assert list((gateway.state / "journal").iterdir())


def test_the_faults_were_told_without_their_words(gateway: Watched) -> None:
    """Else the search would have found nothing because nothing was told."""
    said = gateway.stderr.read_text()
    assert said.count("RuntimeError") >= 3
    assert "KeyError" in said
    assert "sitecustomize.py" in said
    assert "cannot handle {body" in said, "the line of the code is told"
    assert "cannot handle b" not in said


def test_no_answer_repeats_a_providers_key(gateway: Watched) -> None:
    for name in PROVIDER_KEYS:
        for form in forms_of(SECRETS[name]).values():
            assert not any(form in answer for answer in gateway.answers), name


def test_what_was_searched_for_was_there_to_be_found(gateway: Watched, upstream: Upstream) -> None:
    """Each key reached the model server, the prompt with it; and the search finds what lies on the medium."""
    sent = " ".join(each.headers.get("authorization", "") for each in upstream.received)
    assert all(SECRETS[name] in sent for name in PROVIDER_KEYS)
    assert any(SECRETS["prompt"] in json.dumps(each.body) for each in upstream.received)
    assert any(SECRETS["completion"].encode() in answer for answer in gateway.answers)
    on_stick = found_in(files_below(gateway.folder / "stick"), SECRETS)
    assert {each.split(" (")[0] for each in on_stick} == {"clear key"}


def test_the_signed_text_is_printed_where_it_is_asked_for(gateway: Watched) -> None:
    done = gateway.ao("config", "show", "--text")
    assert SECRETS["clear key"] in done.stdout
    assert SECRETS["sealed key"] not in done.stdout


@pytest.mark.parametrize("form", forms_of("x" * 20))
def test_the_search_finds_every_form(tmp_path: Path, form: str) -> None:
    secret = SECRETS["prompt"]
    for around in range(3):
        whole = b"?" * around + secret.encode() + b"?" * 7
        text = {
            "as it is": whole,
            "hex": whole.hex().encode(),
            "HEX": whole.hex().upper().encode(),
            "UTF-16-LE": whole.decode().encode("utf-16-le"),
            "UTF-16-BE": whole.decode().encode("utf-16-be"),
            "reversed": whole[::-1],
        }.get(form)
        if text is None:
            text = (base64.urlsafe_b64encode if "URL" in form else base64.b64encode)(whole)
        (tmp_path / "it").write_bytes(b"\0" * 5 + text + b"\xff")
        assert found_in([tmp_path / "it"], {"prompt": secret}), around


def test_a_process_that_holds_secrets_leaves_no_core_dump_where_others_do(gateway: Watched) -> None:
    dumps = gateway.folder / "dumps"
    assert list(dumps.iterdir()) == []
    crash = "import os; os.abort()"
    done = subprocess.run(
        ["sh", "-c", 'ulimit -c unlimited && "$1" -c "$2"', "sh", sys.executable, crash], cwd=dumps, check=False
    )
    assert done.returncode in (-signal.SIGABRT, 128 + signal.SIGABRT)
    left = list(dumps.iterdir())
    for each in left:
        each.unlink()
    if not left:
        pytest.skip(
            f"this host leaves no core dumps in the folder: {Path('/proc/sys/kernel/core_pattern').read_text()}"
        )


def test_memory_of_the_gateways_processes_is_closed_to_others(tmp_path: Path) -> None:
    made = Gateway(tmp_path, DEMO_MODELS)
    made.start()
    try:
        assert made.process is not None
        for pid in [made.process.pid, *made.workers()]:
            limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
            [core] = [line.split()[4:6] for line in limits if line.startswith("Max core")]
            assert core == ["0", "0"]
    finally:
        made.stop()
