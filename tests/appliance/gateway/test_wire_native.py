"""The official OpenAI client, a real gateway, and native providers on sockets behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.ledger.entry import Outcome
from tests.appliance.gateway.native_upstream import KEYS, NativeServer
from tests.appliance.gateways import Gateway
from tests.appliance.providers.natives import AWS_KEY
from tests.appliance.providers.recorded import ARGUMENTS, HISTORY, TEXT, TOOL

pytestmark = pytest.mark.real

SCENARIOS = ("text", "tools", "error", "broken", "cut", "odd")
NATIVE = ("anthropic", "bedrock", "gemini", "vertex")
each_native = pytest.mark.parametrize("native", NATIVE)


class NativeGateway(Gateway):
    """Its environment has the service account's file, line ends and all."""

    account = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"VERTEX_ACCOUNT": self.account}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NativeServer, str]]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with NativeServer(public) as made:
        account = {
            "type": "service_account",
            "client_email": "house@project.example",
            "private_key_id": "k1",
            "private_key": private.decode(),
            "token_uri": made.token_uri,
        }
        yield made, json.dumps(account, indent=2)


def config(port: int) -> str:
    base = f"http://127.0.0.1:{port}"
    names = {
        "anthropic": ("anthropic", KEYS["x-api-key"], f"{base}/anthropic", "max_tokens: '99'"),
        "bedrock": ("bedrock-converse", AWS_KEY, f"{base}/bedrock", "region: eu-central-1"),
        "gemini": ("gemini", KEYS["x-goog-api-key"], f"{base}/gemini", ""),
        "vertex": ("vertex-global", "${VERTEX_ACCOUNT}", f"{base}/vertex", "project: house"),
    }
    lines = ["providers:", "  - id: own", f"    api_base: {base}/{{region}}/v1", "    auth: x-api-key"]
    lines += ["    private: true", "    quirks: [max_tokens]", "models:"]
    for alias, (name, key, address, parameters) in names.items():
        for scenario in SCENARIOS:
            lines += [
                f"  - alias: {alias}-{scenario}",
                "    provider:",
                f"      name: {name}",
                f"      model: {scenario}",
            ]
            lines += [f"      api_key: {key}", f"      api_base: {address}", f"      parameters: {{{parameters}}}"]
    lines += [
        "  - alias: azure",
        "    provider:",
        "      name: azure-classic",
        "      model: dep",
        "      api_key: azure-1",
    ]
    lines += [f"      api_base: {base}/azure", "  - alias: own"]
    lines += ["    provider: {name: own, region: own, model: m, api_key: own-1}"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def gateway(server: tuple[NativeServer, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeGateway]:
    made = NativeGateway(tmp_path_factory.mktemp("native"), config(server[0].port), models=["*"])
    made.account = server[1]
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def client(gateway: NativeGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=60) as made:
        yield made


@each_native
def test_a_chat_is_answered_and_metered(gateway: NativeGateway, client: openai.OpenAI, native: str) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    raw = client.chat.completions.with_raw_response.create(model=f"{native}-text", messages=messages)
    answer = raw.parse()
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (20, 7)
    assert answer.created > 1_700_000_000
    entry = gateway.entry(raw.headers["x-request-id"])
    assert (entry.outcome, entry.prompt_tokens, entry.completion_tokens) == (Outcome.COMPLETE, 20, 7)
    assert (entry.cached_tokens, entry.estimated_prompt_tokens) == (6, 0)


@each_native
@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_is_answered_and_metered(
    gateway: NativeGateway, client: openai.OpenAI, native: str, asked: bool
) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    raw = client.chat.completions.with_raw_response.create(
        model=f"{native}-text", messages=messages, stream=True, **options
    )
    chunks = list(raw.parse())
    said = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert said == TEXT
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([27] if asked else [])
    entry = gateway.entry(raw.headers["x-request-id"])
    assert (entry.outcome, entry.prompt_tokens, entry.completion_tokens) == (Outcome.COMPLETE, 20, 7)


@each_native
def test_tools_are_called_answered_and_called_again(client: openai.OpenAI, native: str) -> None:
    tools: Any = [TOOL]
    messages: Any = [{"role": "user", "content": "weather?"}]
    answer = client.chat.completions.create(model=f"{native}-tools", messages=messages, tools=tools)
    message = answer.choices[0].message
    assert message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in message.tool_calls if call.type == "function"] == ["weather", "now"]
    messages.append(message.model_dump())
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "grey"} for call in message.tool_calls]
    with client.chat.completions.stream(model=f"{native}-tools", messages=messages, tools=tools) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    first, second = final.choices[0].message.tool_calls or []
    assert json.loads(first.function.arguments) == json.loads(ARGUMENTS)
    assert second.function.arguments == "{}"


def test_the_signature_that_gemini_gave_comes_back_to_it(
    server: tuple[NativeServer, str], client: openai.OpenAI
) -> None:
    test_tools_are_called_answered_and_called_again(client, "gemini")
    parts = server[0].of("/gemini/models/tools:stream")[-1].body["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts if "functionCall" in part] == ["sig==", None]


@each_native
def test_a_picture_and_a_whole_conversation_go_up(
    server: tuple[NativeServer, str], client: openai.OpenAI, native: str
) -> None:
    messages: Any = HISTORY
    answer = client.chat.completions.create(model=f"{native}-text", messages=messages, max_completion_tokens=50)
    assert answer.choices[0].message.content == TEXT
    assert "iVBOR" in json.dumps(server[0].of(f"/{native}")[-1].body)


@each_native
def test_what_has_no_word_there_is_a_400_with_its_name_and_nothing_is_sent(
    server: tuple[NativeServer, str], client: openai.OpenAI, native: str
) -> None:
    before = len(server[0].seen)
    messages: Any = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=f"{native}-text", messages=messages, logprobs=True)
    assert caught.value.param == "logprobs"
    assert len(server[0].seen) == before


@each_native
def test_a_providers_refusal_is_told_in_openais_envelope(client: openai.OpenAI, native: str) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=f"{native}-error", messages=messages)
    assert "messages: too odd" in caught.value.message
    assert caught.value.type == "invalid_request_error"


@each_native
@pytest.mark.parametrize("scenario", ["broken", "cut"])
def test_a_stream_that_breaks_is_an_error_and_never_done(
    gateway: NativeGateway, client: openai.OpenAI, native: str, scenario: str
) -> None:
    answer = gateway.post(f"{native}-{scenario}", stream=True)
    assert answer.status_code == 200
    assert b"[DONE]" not in answer.content
    assert b'"error"' in answer.content
    assert gateway.entry(answer.headers["x-request-id"]).outcome == Outcome.UPSTREAM_FAILED


@each_native
def test_an_answer_in_no_known_shape_is_a_502(gateway: NativeGateway, native: str) -> None:
    answer = gateway.post(f"{native}-odd")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unavailable")


def test_one_access_token_serves_many_calls(server: tuple[NativeServer, str], client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    for _ in range(3):
        client.chat.completions.create(model="vertex-text", messages=messages)
    assert server[0].grants == 1


def test_azure_and_a_row_of_the_configs_own_are_called_their_way(
    server: tuple[NativeServer, str], client: openai.OpenAI
) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    for model in ("azure", "own"):
        client.chat.completions.create(model=model, messages=messages, max_completion_tokens=5)
    assert server[0].of("/azure")[-1].path == ("/azure/openai/deployments/dep/chat/completions?api-version=2024-10-21")
    assert server[0].of("/azure")[-1].body["max_completion_tokens"] == 5
    own = server[0].of("/own")[-1]
    assert (own.path, own.body["max_tokens"], own.body["model"]) == ("/own/v1/chat/completions", 5, "m")


def test_no_credential_is_in_the_gateways_files(gateway: NativeGateway) -> None:
    found = b"".join(file.read_bytes() for file in Path(gateway.state).rglob("journal/*") if file.is_file())
    assert found
    assert b"ya29" not in found + gateway.stderr.read_bytes()
    assert b"PRIVATE KEY" not in found + gateway.stderr.read_bytes()
