"""The whole cycle between a site and its vendor, with a real model server and the official client.

The story is told once, in `first` and `second`; the tests are statements about what came of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.real.model_server import ModelServer
from tests.real.site_and_vendor import (
    Gateway,
    Site,
    Vendor,
    config_of,
    tables_of,
    upstream_at,
    wait_for_the_next_second,
)

pytestmark = pytest.mark.real

SECRET_WORDS = "the heron stood in the reeds"
MESSAGES = [{"role": "user", "content": SECRET_WORDS}]
CHAT, EMBED = "local/llama", "local/embed"
# llama.cpp's own members; they reach it because unknown members pass through.
EXACTLY_EIGHT = {"ignore_eos": True, "cache_prompt": False}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the client saw it: tokens as reported to it, or None where no usage was shown."""

    model: str
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(slots=True)
class Cycle:
    """What happened in one round from traffic to receipt."""

    seen: dict[str, Seen] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    retrieved: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    dimensions: int = 0
    exported: list[Path] = field(default_factory=list)
    sealed: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    reconciled: dict[str, Any] = field(default_factory=dict)
    receipt: Path = Path()
    imported: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor, llama: ModelServer) -> Site:
    config = config_of((CHAT, upstream_at(llama.base_url)), (EMBED, upstream_at(llama.base_url)))
    folder = tmp_path_factory.mktemp("site")
    return Site.licensed(folder, vendor, config, "--models", "local/*", name="cycle-site")


@pytest.fixture(scope="module")
def gateway(site: Site) -> Iterator[Gateway]:
    with site.serving(workers=2) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(site: Site, gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.base_url, api_key=site.key(team="readers"), max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def first(site: Site, vendor: Vendor, client: openai.OpenAI) -> Cycle:
    return _cycle(site, vendor, client)


@pytest.fixture(scope="module")
def second(site: Site, vendor: Vendor, client: openai.OpenAI, first: Cycle) -> Cycle:
    return _cycle(site, vendor, client)


def _cycle(site: Site, vendor: Vendor, client: openai.OpenAI) -> Cycle:
    """Traffic, seal, export, reconcile, receipt."""
    cycle = Cycle()
    before = set(site.ledger())
    cycle.models = [model.id for model in client.models.list()]
    cycle.retrieved = client.models.retrieve(CHAT).id
    _chat(client, cycle)
    _stream(client, cycle, include_usage=True)
    _stream(client, cycle, include_usage=False)
    _embed(client, cycle)
    wait_for_the_next_second()
    cycle.sealed = site.ao("usage", "seal", "--now")["files"][-1]
    cycle.exported = [Path(each["file"]) for each in site.ao("usage", "export", "--out", str(site.media))["files"]]
    cycle.usage = site.ao("usage", "show", str(cycle.exported[-1]))
    cycle.reconciled = vendor.reconcile(cycle.exported, site.media)
    cycle.receipt = Path(cycle.reconciled["receipts"][0]["file"])
    cycle.imported = site.ao("receipt", "import", str(cycle.receipt))["receipts"][0]
    cycle.ledger = {name: row for name, row in site.ledger().items() if name not in before}
    cycle.status = site.ao("status")
    return cycle


def _chat(client: openai.OpenAI, cycle: Cycle) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=CHAT,
        messages=MESSAGES,  # type: ignore[arg-type]  # the client's own types want literals
        max_tokens=8,
        temperature=0,
        extra_body=EXACTLY_EIGHT,
    )
    reply = raw.parse()
    assert reply.usage is not None
    cycle.seen[raw.headers["x-request-id"]] = Seen(CHAT, reply.usage.prompt_tokens, reply.usage.completion_tokens)
    cycle.texts["whole"] = reply.choices[0].message.content or ""


def _stream(client: openai.OpenAI, cycle: Cycle, *, include_usage: bool) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=CHAT,
        messages=MESSAGES,  # type: ignore[arg-type]  # the client's own types want literals
        max_tokens=8,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True} if include_usage else openai.omit,
        extra_body=EXACTLY_EIGHT,
    )
    text, usage = "", None
    for chunk in raw.parse():
        assert isinstance(chunk, ChatCompletionChunk)
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
    cycle.seen[raw.headers["x-request-id"]] = Seen(CHAT, *tokens)
    cycle.texts["stream with usage" if include_usage else "stream"] = text


def _embed(client: openai.OpenAI, cycle: Cycle) -> None:
    raw = client.embeddings.with_raw_response.create(model=EMBED, input=[SECRET_WORDS, "another"])
    reply = raw.parse()
    cycle.seen[raw.headers["x-request-id"]] = Seen(EMBED, reply.usage.prompt_tokens, 0)
    cycle.dimensions = len(reply.data[0].embedding)


def _expected_tokens(cycle: Cycle, model: str) -> tuple[int, int, int]:
    """Requests, prompt and completion tokens of a model as the client knows them. The stream that showed no usage is
    the same question with the same answer as the others, so it counts the same."""
    asked = next(each for each in cycle.seen.values() if each.model == CHAT and each.prompt_tokens is not None)
    seen = [each if each.prompt_tokens is not None else asked for each in cycle.seen.values() if each.model == model]
    prompt = sum(each.prompt_tokens or 0 for each in seen)
    return len(seen), prompt, sum(each.completion_tokens or 0 for each in seen)


def test_the_client_finds_the_licensed_models(first: Cycle) -> None:
    assert first.models == [CHAT, EMBED]
    assert first.retrieved == CHAT


def test_a_stream_says_what_the_whole_answer_says(first: Cycle) -> None:
    assert first.texts["whole"]
    assert first.texts["stream"] == first.texts["stream with usage"] == first.texts["whole"]


def test_embeddings_have_the_models_own_width(first: Cycle) -> None:
    assert first.dimensions == 64


def test_usage_is_shown_to_the_one_who_asked_and_hidden_from_the_one_who_did_not(first: Cycle) -> None:
    shown = [each.completion_tokens for each in first.seen.values() if each.model == CHAT]
    assert shown == [8, 8, None]


def test_every_request_is_in_the_ledger_once_with_the_tokens_that_the_client_saw(first: Cycle, second: Cycle) -> None:
    for cycle in (first, second):
        assert set(cycle.ledger) == set(cycle.seen)
        for request_id, seen in cycle.seen.items():
            row = cycle.ledger[request_id]
            assert (row["model"], row["outcome"], row["status"], row["team"]) == (
                seen.model,
                "complete",
                200,
                "readers",
            )
            if seen.prompt_tokens is not None:
                assert (row["prompt_tokens"], row["completion_tokens"]) == (seen.prompt_tokens, seen.completion_tokens)
            assert (row["estimated_prompt_tokens"], row["estimated_completion_tokens"]) == (0, 0)


def test_a_stream_that_showed_no_usage_is_metered_all_the_same(first: Cycle) -> None:
    chats = [row for row in first.ledger.values() if row["model"] == CHAT]
    assert len({(row["prompt_tokens"], row["completion_tokens"]) for row in chats}) == 1


def test_the_vendors_totals_are_what_the_client_saw(first: Cycle, second: Cycle) -> None:
    for cycle in (first, second):
        totals = {
            each["model"]: (each["requests"], each["prompt_tokens"], each["completion_tokens"])
            for each in cycle.reconciled["totals"]
        }
        assert totals == {model: _expected_tokens(cycle, model) for model in (CHAT, EMBED)}
        assert [each["verdict"] for each in cycle.reconciled["files"]] == ["accepted"]


def test_the_second_file_follows_the_first(first: Cycle, second: Cycle) -> None:
    assert (first.usage["seq"], second.usage["seq"]) == (1, 2)
    assert "previous" not in first.usage
    assert second.usage["previous"] == first.sealed["digest"]
    assert second.usage["period"]["start"] == first.usage["period"]["end"]
    for model in (CHAT, EMBED):
        sums = [each.usage["deltas"][model]["prompt_tokens"] for each in (first, second)]
        assert second.usage["registers"][model]["prompt_tokens"] == sum(sums)
    assert second.usage["last_receipt"]["seq"] == 1


def test_a_receipt_closes_what_it_acknowledges(first: Cycle, second: Cycle) -> None:
    for number, cycle in enumerate((first, second), 1):
        assert cycle.imported["seq"] == number
        assert cycle.imported["arrival"] == "new"
        assert cycle.imported["accepted_until"] == cycle.usage["period"]["end"]


def test_status_shows_the_cycle(first: Cycle, second: Cycle) -> None:
    for number, cycle in enumerate((first, second), 1):
        usage = cycle.status["usage"]
        assert (usage["sealed_seq"], usage["acknowledged_seq"], usage["since_receipt"]) == (number, number, [])
        assert usage["acknowledged_until"] == cycle.usage["period"]["end"]
        assert cycle.status["licence"]["rung"] == "valid"
        assert cycle.status["running_since"] is not None
        assert {each["alias"] for each in cycle.status["config"]["deployments"]} == {CHAT, EMBED}


def test_neither_question_nor_answer_nor_key_leaves_in_a_usage_file(first: Cycle, client: openai.OpenAI) -> None:
    told = str(first.usage)
    assert SECRET_WORDS not in told
    assert first.texts["whole"] not in told
    assert client.api_key not in told


def test_bringing_everything_in_again_changes_nothing_and_says_so(
    site: Site, vendor: Vendor, first: Cycle, second: Cycle
) -> None:
    tables, memory = site.tables(), _memory_of(vendor)
    licence = site.run("licence", "import", str(site.media / "licence.json"))
    assert (licence.exit_code, "was already in force" in licence.out) == (0, True), licence
    config = site.run("config", "import", str(next(site.media.glob("config-*.signed"))), "--yes")
    assert (config.exit_code, config.out) == (0, "Config 1 was already in force.\n")
    for cycle in (first, second):
        receipt = site.run("receipt", "import", str(cycle.receipt))
        assert (receipt.exit_code, "(known already)" in receipt.out) == (0, True), receipt
        again = vendor.reconcile(cycle.exported, site.media)
        assert [each["verdict"] for each in again["files"]] == ["already_accepted"]
        assert again["totals"] == []
    assert site.tables() == tables
    assert _memory_of(vendor) == memory


def test_exporting_again_gives_the_same_bytes(site: Site, first: Cycle, second: Cycle, tmp_path: Path) -> None:
    site.ao("usage", "export", "--all", "--out", str(tmp_path))
    for file in (*first.exported, *second.exported):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_nothing_more_to_export_is_said_as_such(site: Site, second: Cycle, tmp_path: Path) -> None:
    assert site.ao("usage", "export", "--out", str(tmp_path), expect=80)["error"]["code"] == "nothing_to_export"


def _memory_of(vendor: Vendor) -> dict[str, list[tuple[object, ...]]]:
    return tables_of(vendor.home / "vendor.db")
