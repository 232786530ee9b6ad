"""Sealing changes the keys of a text and nothing else, or refuses and says where."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey, SealedBox

from appliance.config.seal_text import SealedText, seal_text
from appliance.config.sealed import MAX_KEY, PREFIX, Place, unseal
from appliance.errors import ConfigRefused
from media.errors import YamlRefused
from media.strict_yaml import FASTEST, load
from media.yaml_document import Document

OURS = PrivateKey(bytes(range(32)))
PARSERS = [FASTEST, yaml.SafeLoader]
BASE = "http://gpu-1/v1"


def reading_with(loader: Any, data: bytes, _: str) -> Document:
    return load(data, loader=loader)


def sealed(text: str, loader: Any = FASTEST) -> SealedText:
    reader = partial(reading_with, loader)
    return seal_text(text.encode(), file="it.yaml", site="s", sealing_key=bytes(OURS.public_key), load=reader)


def opens(box: bytes) -> bytes:
    opened: bytes = SealedBox(OURS).decrypt(box)
    return opened


def key_in(text: str, number: int = 0, base: str | None = BASE) -> str:
    value: Any = load(text.encode()).value
    entry = value["models"][number]
    assert entry["provider"]["api_key"].startswith(PREFIX)
    return unseal(entry["provider"]["api_key"], Place("s", entry["alias"], entry["provider"]["name"], base), opens)


def model(key: str, *, after: str = "", alias: str = "chat") -> str:
    """An entry whose key is written as `key`, indentation of further lines included."""
    return (
        f"  - alias: {alias}   # the 灯塔 🏮 model\n    provider:\n      name: openai-compatible\n"
        f"      api_key: {key}{after}\n      api_base: {BASE}/ # slash\n"
    )


WRITTEN = {
    "plain": "sk-0123456789",
    "single quotes": "'sk-0123456789'",
    "double quotes": '"sk-0123456789"',
    "double quotes with escapes": '"sk-\\x30123\\u0034567\\\n        89"',
    "literal": "|-\n        sk-0123456789",
    "folded": ">-\n        sk-0123456789",
    "literal with an indication": "|2-\n        sk-0123456789",
    "literal and blank lines after it": "|-\n        sk-0123456789\n\n\n",
}


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_every_way_of_writing_a_key(written: str, loader: Any) -> None:
    before = "# 🏮 head\nmodels: # all\n" + model(written) + "media: {require_safe_mount: true}\n"
    after = sealed(before, loader)
    assert key_in(after.text) == "sk-0123456789"
    value: Any = load(after.text.encode()).value
    api_key = value["models"][0]["provider"]["api_key"]
    start, end = before.index(written), before.index(written) + len(written.rstrip())
    assert after.text == before[:start] + api_key + before[end:]
    assert "0123456789" not in after.text
    assert after.sealed == ("chat (line 6, models[0].provider.api_key)",)


@pytest.mark.parametrize("loader", PARSERS)
def test_a_comment_behind_the_key_stays(loader: Any) -> None:
    after = sealed("models:\n" + model("sk-0123456789", after="  # from Eve"), loader).text
    assert "  # from Eve\n" in after


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize(
    "flow",
    [
        "models: [{alias: chat, provider: {name: openai-compatible, api_key: sk-0123456789, api_base: %s}}]\n",
        "models: [{alias: chat, provider: {name: openai-compatible, api_base: %s, api_key: 'sk-0123456789'}}]\n",
        'models: [{"alias":"chat","provider":{"name":"openai-compatible","api_key":"sk-0123456789","api_base":"%s"}}]',
        "models:\n- {alias: chat, provider: {name: openai-compatible,\n  api_key:\n   sk-0123456789\n , api_base: %s}}",
    ],
)
def test_flow_mappings(flow: str, loader: Any) -> None:
    """Where a text holds the sealed value only with more of it changed, it is refused, never spoilt."""
    before = flow % json.dumps(BASE).strip('"')
    after = sealed(before, loader).text
    assert key_in(after) == "sk-0123456789"
    assert "sk-0123456789" not in after


@pytest.mark.parametrize("loader", PARSERS)
@given(
    keys=st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$"), min_size=1, max_size=30),
        min_size=1,
        max_size=4,
    ),
    style=st.sampled_from(["json", "flow"]),
    comment=st.text("# :{}[]'\"a灯🏮", max_size=12),
)
def test_any_keys_in_any_number(loader: Any, keys: list[str], style: str, comment: str) -> None:
    entries = [
        {"alias": f"m{number}", "provider": {"name": "openai-compatible", "api_base": BASE, "api_key": key}}
        for number, key in enumerate(keys)
    ]
    if style == "json":
        lines = [f"- {json.dumps(each)} # {comment}\n" for each in entries]
    else:
        lines = [
            f"- alias: m{number} # {comment}\n  provider: {{name: openai-compatible, api_base: '{BASE}',\n"
            f"    api_key: {json.dumps(key)} }}\n"
            for number, key in enumerate(keys)
        ]
    before = "models:\n" + "".join(lines)
    try:
        after = sealed(before, loader)
    except YamlRefused as refused:
        told = refused.message
    else:
        told = ""
    if told:
        # Only where the key stands in the text a second time: two entries hold it in other ways of writing.
        assert "stands in clear" in told, told
        return
    left = [key for key in keys if key.startswith("sealed:") or key.startswith("${")]
    assert len(after.sealed) == len(keys) - len(left)
    assert [key_in(after.text, number) for number in range(len(keys))] == keys
    old, new = load(before.encode()), load(after.text.encode())
    assert [old.positions[path].line for path in old.positions] == [new.positions[path].line for path in new.positions]
    assert after.text.count(f"# {comment}\n") == before.count(f"# {comment}\n")


def test_what_is_sealed_or_named_already_is_left_byte_for_byte() -> None:
    once = sealed("models:\n" + model("sk-0123456789") + model("${GPU_KEY}", alias="b")).text
    again = sealed(once)
    assert again.text == once
    assert (len(again.sealed), len(again.left)) == (0, 2)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("models:\n" + model("12345678"), "line 5, models[0].provider.api_key"),
        ("models:\n" + model("true"), "line 5, models[0].provider.api_key"),
        ("models:\n" + model("[sk-0123456789]"), "line 5, models[0].provider.api_key"),
        ("models:\n" + model('""'), "line 5, models[0].provider.api_key"),
        ("models:\n" + model("${gpu_key}"), "line 5, models[0].provider.api_key"),
        ("models:\n" + model("sk-${NAME}"), "line 5, models[0].provider.api_key"),
        ("models:\n" + model('"sk-0123\\n456789"'), "line 5, models[0].provider.api_key"),
        ("models:\n" + model("|\n        sk-0123456789"), "line 5, models[0].provider.api_key"),
        ("models:\n" + model("sk-ä"), "line 5, models[0].provider.api_key"),
        ("models:\n" + model("k" * (MAX_KEY + 1)), "line 5, models[0].provider.api_key"),
        ("models:\n  - alias: a\n    api_key: sk-0123456789\n", "line 3, models[0].api_key"),
        ("models:\n  a:\n    provider: {api_key: sk-0123456789}\n", "line 3, models.a.provider.api_key"),
        ("modles:\n" + model("sk-0123456789"), "line 5, modles[0].provider.api_key"),
        ("api_key: sk-0123456789\nmodels:\n" + model("sk-9876543210"), "line 1, api_key"),
    ],
)
def test_a_key_that_cannot_be_sealed_is_refused_with_its_place_and_never_left_in_clear(text: str, where: str) -> None:
    with pytest.raises((YamlRefused, ConfigRefused)) as refused:
        sealed(text)
    assert refused.value.where == f"it.yaml, {where}"
    assert "0123456789" not in refused.value.message + refused.value.where
    assert refused.value.remedy


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize("copy", ["# was sk-0123456789 before\n"])
def test_a_key_that_stands_in_the_text_a_second_time_is_refused(copy: str, loader: Any) -> None:
    """A comment is signed, carried and read like the rest."""
    with pytest.raises((YamlRefused, ConfigRefused)) as refused:
        sealed("models:\n" + model("sk-0123456789") + copy, loader)
    assert "on line 7" in refused.value.message
    assert "0123456789" not in str(refused.value)
