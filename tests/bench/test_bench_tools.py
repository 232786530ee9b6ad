"""The benchmark's own instruments: what they count must be right, and they must be able to say that it is not."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from appliance.gateway.snapshot import take_snapshot
from tests.appliance.papers import NOW
from tests.appliance.sites import any_secret, licensed_site

from . import resting, subjects, verify_cost
from .measure import EVENTS_PER_STREAM, REQUEST_BYTES, ClosedLoop, Visit, chat, cores
from .processes import BenchError, read_stat, running
from .report import figures
from .subjects import wait_until_settled
from .tools import Endpoint, Load, LoadResult, compile_tool, run_load, serving_upstream

STRICT = ("-Wall", "-Wextra", "-Werror")
CORE = cores()[0]
PLAIN = Load(chat("m"), connections=4, seconds=0.3, warm_up=0.1)
STREAM = msgspec.structs.replace(PLAIN, body=chat("m", stream=True), events=EVENTS_PER_STREAM)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both C programs, compiled without a warning."""
    folder = tmp_path_factory.mktemp("programs")
    return compile_tool("upstream", folder, *STRICT), compile_tool("load", folder, *STRICT)


@pytest.fixture
def upstream(programs: tuple[Path, Path], tmp_path: Path) -> Iterator[Endpoint]:
    """The upstream, for one test."""
    with serving_upstream(programs[0], CORE, tmp_path / "logs") as endpoint:
        yield endpoint


@pytest.fixture
def load_program(programs: tuple[Path, Path]) -> Path:
    """The load generator."""
    return programs[1]


def with_usage(load: Load) -> Load:
    """The same stream, with usage asked for."""
    body = msgspec.json.decode(load.body) | {"stream_options": {"include_usage": True}}
    return msgspec.structs.replace(load, body=msgspec.json.encode(body))


def test_plain_answers_are_counted_without_errors(upstream: Endpoint, load_program: Path, tmp_path: Path) -> None:
    result = run_load(load_program, upstream, PLAIN, CORE, tmp_path)
    assert result.complaint() is None
    assert 0 < result.n <= result.total
    assert result.errors == result.events_total == 0
    assert 0 < result.p50 <= result.p90 <= result.p99 <= result.max


@pytest.mark.parametrize("path", ["/v1/models", "/v1/embeddings"])
def test_upstream_answers_the_other_paths(upstream: Endpoint, load_program: Path, tmp_path: Path, path: str) -> None:
    result = run_load(load_program, upstream, msgspec.structs.replace(PLAIN, path=path), CORE, tmp_path)
    assert result.errors == 0
    assert result.n > 0


def test_streams_have_64_chunks_and_done(upstream: Endpoint, load_program: Path, tmp_path: Path) -> None:
    result = run_load(load_program, upstream, STREAM, CORE, tmp_path)
    assert result.complaint() is None
    assert result.n > 0
    assert result.events_total == 65 * result.total
    assert 0 < result.ttft_p50 <= result.p50


def test_usage_is_one_more_event_where_it_is_asked_for(upstream: Endpoint, load_program: Path, tmp_path: Path) -> None:
    load = msgspec.structs.replace(with_usage(STREAM), events=66)
    result = run_load(load_program, upstream, load, CORE, tmp_path)
    assert result.complaint() is None
    assert result.events_total == 66 * result.total > 0


def test_stream_with_an_event_too_many_is_an_error(upstream: Endpoint, load_program: Path, tmp_path: Path) -> None:
    result = run_load(load_program, upstream, with_usage(STREAM), CORE, tmp_path)
    assert result.n == 0
    assert result.errors == result.wrong_streams > 0


def test_plain_answer_where_a_stream_is_due_is_an_error(upstream: Endpoint, load_program: Path, tmp_path: Path) -> None:
    result = run_load(load_program, upstream, msgspec.structs.replace(PLAIN, events=65), CORE, tmp_path)
    assert result.n == 0
    assert result.errors == result.wrong_streams > 0


def test_paced_streams_take_their_time(upstream: Endpoint, load_program: Path, tmp_path: Path) -> None:
    load = msgspec.structs.replace(STREAM, body=chat("m", "paced", stream=True), rate=20)
    result = run_load(load_program, upstream, load, CORE, tmp_path)
    assert result.complaint() is None
    assert result.events_total == 65 * result.total > 0
    assert result.ttft_p50 >= 5
    assert result.p50 >= 65 * 5


def test_fixed_rate_sends_what_is_due_and_no_more(upstream: Endpoint, load_program: Path, tmp_path: Path) -> None:
    load = msgspec.structs.replace(PLAIN, rate=100, seconds=1, warm_up=0.2)
    result = run_load(load_program, upstream, load, CORE, tmp_path)
    assert result.complaint() is None
    assert result.n == pytest.approx(100, abs=1)
    assert result.total == pytest.approx(120, abs=1)


def test_wrong_path_counts_as_errors(upstream: Endpoint, load_program: Path, tmp_path: Path) -> None:
    result = run_load(load_program, upstream, msgspec.structs.replace(PLAIN, path="/v1/wrong"), CORE, tmp_path)
    assert result.n == 0
    assert result.errors == result.statuses["404"] > 0
    assert result.complaint() == f"{result.errors} × status 404"


def test_no_server_counts_as_errors(load_program: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else can be there
        taken.bind(("127.0.0.1", 0))
        nowhere = Endpoint(port=taken.getsockname()[1], key="none", model="m")
        result = run_load(load_program, nowhere, PLAIN, CORE, tmp_path)
    assert result.n == 0
    assert result.errors == result.refused > 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a size\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"",
        b"this is not HTTP\r\n\r\n",
    ],
    ids=["short body", "no last chunk", "bad chunk", "half a head", "nothing", "another protocol"],
)
def test_answer_that_is_cut_off_is_an_error(load_program: Path, tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = Endpoint(port=listener.getsockname()[1], key="none", model="m")
        threading.Thread(target=answer_and_close, args=(listener, answer), daemon=True).start()
        load = msgspec.structs.replace(PLAIN, connections=1)
        result = run_load(load_program, endpoint, load, CORE, tmp_path)
    assert result.n == 0
    assert result.errors == result.broken > 0


def test_body_that_ends_with_the_connection_is_whole(load_program: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = Endpoint(port=listener.getsockname()[1], key="none", model="m")
        answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"data: 1\n\n" * 64 + b"data: [DONE]\n\n"
        threading.Thread(target=answer_and_close, args=(listener, answer), daemon=True).start()
        load = msgspec.structs.replace(STREAM, connections=1)
        result = run_load(load_program, endpoint, load, CORE, tmp_path)
    assert result.complaint() is None
    assert result.n > 0


def answer_and_close(listener: socket.socket, answer: bytes) -> None:
    """Reads one request per connection, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            if connection.recv(65536):
                connection.sendall(answer)


@pytest.mark.parametrize("word", ["plain", "paced"])
def test_requests_are_of_the_size_that_the_report_speaks_of(word: str) -> None:
    assert len(chat("bench-model", word)) == len(chat("a-much-longer-name", word, stream=True)) == REQUEST_BYTES


def test_child_is_stopped_with_what_it_started_and_its_cpu_is_counted(tmp_path: Path) -> None:
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    script = (
        f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {burn!r}]); print('burnt', flush=True)"
    )
    script += "; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    with running("parent", [sys.executable, "-c", script], CORE, tmp_path) as child:
        while len(child.tree()) < 2 or not child.stdout.read_text():
            child.check()
        assert child.cpu_seconds() >= 0.3
        assert len(child.alive()) == 2
        members = set(child.tree())
    assert not child.alive()
    assert all(stat is None or stat.state == "Z" for stat in map(read_stat, members))


def test_child_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    with running("short", ["sh", "-c", "echo no such licence >&2; exit 3"], CORE, tmp_path) as child:
        child.process.wait()
        with pytest.raises(BenchError, match="code 3: no such licence"):
            child.check()


def test_closed_loop_that_does_not_explain_its_core_is_thrown_away() -> None:
    busy = a_visit(cpu_seconds=0.95, rps=1000)
    idle = a_visit(cpu_seconds=0.60, rps=5000)
    direct: list[Visit | None] = [busy, busy]
    of = figures([busy, idle], direct)
    assert of.requests_per_second == 1000
    assert of.closed_loops_discarded == 1
    assert figures([idle, None], direct).requests_per_second is None


def test_run_with_errors_counts_nowhere() -> None:
    good = a_visit(cpu_seconds=0.95, rps=1000)
    assert good.plain is not None
    bad = replace(good, plain=replace(good.plain, result=msgspec.structs.replace(good.plain.result, rps=9, broken=1)))
    of = figures([bad, good, None], [good, good, good])
    assert of.requests_per_second == 1000
    assert of.closed_loops_failed == 1
    assert bad.complaints() == ["closed loop: 1 × cut off"]


def a_visit(cpu_seconds: float, rps: float) -> Visit:
    """A second of closed loop in which so much of the core was used."""
    numbers = dict.fromkeys(LoadResult.__struct_fields__, 0.0) | {"rps": rps, "n": rps, "total": rps}
    result = msgspec.convert(numbers | {"statuses": {}}, LoadResult, strict=False)
    loop = ClosedLoop(result, cpu_seconds)
    return Visit(fixed=result, paced=result, plain=loop, streams=loop)


def test_help_names_every_option() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.bench", "--help"]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert all(option in said for option in ("--quick", "--rounds", "--seconds", "--only"))


def test_the_keys_that_a_site_is_filled_with_are_keys_to_a_worker(tmp_path: Path) -> None:
    with closing(licensed_site(tmp_path / "state")) as site:
        verify_cost.fill_keys(site, 3)
        assert len(take_snapshot(site, any_secret, NOW).keys) == 3


def test_load_waits_for_what_a_subject_still_does_after_its_start(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 1.5: pass\ntime.sleep(60)"
    with running("busy", [sys.executable, "-c", busy], cores()[0], tmp_path) as child:
        used = wait_until_settled(child)
        assert used >= 1.4, "all of what it did, and not what it had done at the first look"
        assert child.cpu_seconds() - used < 0.1


def test_one_that_never_rests_is_measured_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "SETTLE_SECONDS", 1.0)
    with running("restless", [sys.executable, "-c", "while True: pass"], cores()[0], tmp_path) as child:
        wait_until_settled(child)
        child.check()


def test_a_pause_is_made_each_time_and_is_no_part_of_the_work() -> None:
    made: list[None] = []

    def pause() -> None:
        made.append(None)
        time.sleep(0.05)

    assert resting.microseconds(pause, times=5) < 50_000
    assert len(made) == 5
