"""One beginning and one entry for each call, whatever happened; and never a word of what was said."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.ledger.entry import Begun, Entry
from tests.appliance.conftest import FALLBACKS
from tests.appliance.gateway.upstreams import SCRIPTS
from tests.appliance.gateway.wire import Line
from tests.appliance.gateways import UPSTREAM_KEY, Gateway

pytestmark = pytest.mark.real

SKIPPED = {"hangs", "hangs-after-head", "endless", "flood", "huge", "monstrous-usage"}
ALIASES = sorted((set(SCRIPTS) | set(FALLBACKS)) - SKIPPED)


def _call(gateway: Gateway, alias: str, streaming: bool) -> tuple[str, int]:
    with Line(gateway) as line:
        since = line.call(alias, stream=streaming)
        try:
            answer = line.chunks(line.head(), since)
        except TimeoutError as exc:
            raise AssertionError(f"{alias} (stream: {streaming}) came to no end") from exc
    return answer.request_id, answer.status


def test_every_call_has_one_beginning_and_one_entry(gateway: Gateway) -> None:
    jobs = [(alias, streaming) for alias in ALIASES for streaming in (False, True)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda job: _call(gateway, *job), jobs))
    lines = gateway.lines()
    begun = Counter(line.id for line in lines if isinstance(line, Begun))
    ended = Counter(line.id for line in lines if isinstance(line, Entry))
    assert len({name for name, _ in answers}) == len(jobs)
    for (name, _), job in zip(answers, jobs, strict=True):
        assert (begun[name], ended[name]) == (1, 1), job
    assert set(ended.values()) == {1}
    assert set(ended) <= set(begun)


def test_no_prompt_completion_or_key_is_anywhere_on_disk(gateway: Gateway) -> None:
    for alias in ("good", "refuses-400", "500", "dies-in-frame", "broken-json"):
        for streaming in (False, True):
            _call(gateway, alias, streaming)
    gateway.ao("status")
    gateway.ao("usage", "seal", "--now")
    files = [file for file in [*gateway.state.rglob("*"), gateway.stderr] if file.is_file()]
    assert len(files) > 5
    for marker in (b"PROMPT-MARKER", b"COMPLETION-MARKER", gateway.key[11:].encode(), UPSTREAM_KEY.encode()):
        assert [file.name for file in files if marker in _bytes(file)] == []


def _bytes(file: Path) -> bytes:
    return file.read_bytes()


def test_no_call_made_the_gateway_fail(gateway: Gateway) -> None:
    """A fault is ours. Whatever an app or a model server does, there is a refusal for it."""
    before = gateway.stderr.stat().st_size
    ids = [_call(gateway, alias, streaming)[0] for alias in ALIASES for streaming in (False, True)]
    outcomes = {gateway.entry(each).outcome for each in ids}
    assert outcomes == {"complete", "upstream_failed", "upstream_refused"}
    assert b"Traceback" not in gateway.stderr.read_bytes()[before:]
