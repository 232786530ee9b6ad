"""The three native wires side by side, for statements that hold of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.config.model import Deployment
from appliance.gateway.request import parse_call
from appliance.providers.anthropic.wires import WIRES as ANTHROPIC
from appliance.providers.bedrock.wires import WIRES as BEDROCK
from appliance.providers.call import Call, UpstreamRequest, Wire
from appliance.providers.catalogue import catalogue
from appliance.providers.gemini.wires import WIRES as GEMINI
from tests.appliance.providers import recorded
from tests.appliance.providers.sent import body_of

AWS_KEY = "AKIDEXAMPLEEXAMPLE12:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PARAMETERS = {"max_tokens": "4096", "region": "eu-central-1", "api_version": "2024-10-21", "resource": "house"}


@dataclass(frozen=True)
class Native:
    name: str
    row: str
    wires: Mapping[str, Wire]
    key: str
    text: dict[str, Any]
    tools: dict[str, Any]
    text_stream: bytes
    tool_stream: bytes
    broken_stream: bytes
    error: dict[str, Any]

    @property
    def chat(self) -> Wire:
        return self.wires["chat/completions"]

    def deployment(self) -> Deployment:
        row = catalogue()[self.row]
        return Deployment("a#0", "a", self.row, "org/model:1", "https://up.example/v1", "${K}", (), row, PARAMETERS)

    def sent(self, at: float = 1_700_000_000.0, **body: Any) -> UpstreamRequest:
        from dataclasses import replace

        return self.chat.request(replace(chat_call(**body), at=at), self.deployment(), self.key)

    def body(self, **body: Any) -> dict[str, Any]:
        sent: dict[str, Any] = json.loads(body_of(self.sent(**body)))
        return sent


def chat_call(**body: Any) -> Call:
    members = {"model": "a", "messages": [{"role": "user", "content": "hi"}], **body}
    return parse_call("chat/completions", json.dumps(members).encode())


def frames(data: bytes) -> list[dict[str, Any]]:
    """The frames of a stream of ours, without its `[DONE]`."""
    events = [each for each in data.split(b"\n\n") if each]
    assert all(each.startswith(b"data: ") and b"\n" not in each for each in events)
    return [json.loads(each[6:]) for each in events if each != b"data: [DONE]"]


NATIVES = (
    Native(
        "anthropic",
        "anthropic",
        ANTHROPIC,
        "sk-ant-1",
        recorded.ANTHROPIC_TEXT,
        recorded.ANTHROPIC_TOOLS,
        recorded.ANTHROPIC_TEXT_STREAM,
        recorded.ANTHROPIC_TOOL_STREAM,
        recorded.ANTHROPIC_BROKEN_STREAM,
        recorded.ANTHROPIC_ERROR,
    ),
    Native(
        "bedrock",
        "bedrock-converse",
        BEDROCK,
        AWS_KEY,
        recorded.BEDROCK_TEXT,
        recorded.BEDROCK_TOOLS,
        recorded.BEDROCK_TEXT_STREAM,
        recorded.BEDROCK_TOOL_STREAM,
        recorded.BEDROCK_BROKEN_STREAM,
        recorded.BEDROCK_ERROR,
    ),
    Native(
        "gemini",
        "gemini",
        GEMINI,
        "AIza-1",
        recorded.GEMINI_TEXT,
        recorded.GEMINI_TOOLS,
        recorded.GEMINI_TEXT_STREAM,
        recorded.GEMINI_TOOL_STREAM,
        recorded.GEMINI_BROKEN_STREAM,
        recorded.GEMINI_ERROR,
    ),
)
BY_NAME = {each.name: each for each in NATIVES}
