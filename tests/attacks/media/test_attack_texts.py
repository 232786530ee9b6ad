"""Tries: configs that were truly signed and are no plain YAML: bombs, tags, other encodings, terminal escapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.appliance.papers import DEMO_MODELS, config_bytes
from tests.attacks.media.hostile_stick import assert_terminal_is_safe, in_force, make_stick, outcomes, taken_from

BOMB = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a, *a]\n" for n in range(20))
TEXTS = {
    "a bomb of aliases": (BOMB + DEMO_MODELS, "yaml_refused"),
    "deep nesting": ("deep: " + "[" * 5000 + "]" * 5000 + "\n" + DEMO_MODELS, "yaml_refused"),
    "a million keys": ("".join(f"k{n}: 1\n" for n in range(60_000)) + DEMO_MODELS, "yaml_refused"),
    "a huge scalar": ("note: " + "x" * 200_000 + "\n" + DEMO_MODELS, "yaml_refused"),
    "a tag": ("note: !!python/object/apply:os.system [id]\n" + DEMO_MODELS, "yaml_refused"),
    "a merge key": ("base: &base {a: 1}\nnote: {<<: *base}\n" + DEMO_MODELS, "yaml_refused"),
    "a key twice": (DEMO_MODELS + DEMO_MODELS, "yaml_refused"),
    "a byte order mark": ("\ufeff" + DEMO_MODELS, "yaml_refused"),
    "an escape as a key": ('"\\e[2J\\e[1;1H": 1\n' + DEMO_MODELS, "yaml_refused"),
    "reads backwards": ('"\\u202eedis rehto": 1\n' + DEMO_MODELS, "config_refused"),
}


@pytest.mark.parametrize(("text", "code"), TEXTS.values(), ids=TEXTS.keys())
def test_a_signature_does_not_make_it_welcome(tmp_path: Path, text: str, code: str) -> None:
    stick = make_stick(tmp_path)
    (stick.inbox / "config.yaml.signed").write_bytes(config_bytes(text, serial=1, now=stick.now))
    assert outcomes(taken_from(stick)) == {"licence": "new", "config": code}
    assert in_force(stick) == {"licence": True, "config": False}
    assert_terminal_is_safe(stick, code)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data + b"\n# one line more\n",
        lambda data: data[:-2],
    ],
    ids=["CR LF", "UTF-16", "byte order mark", "a line more", "cut off"],
)
def test_a_signed_text_that_an_editor_has_touched_is_refused(tmp_path: Path, spoil: object) -> None:
    stick = make_stick(tmp_path)
    target = stick.inbox / "config.yaml.signed"
    assert callable(spoil)
    target.write_bytes(spoil(target.read_bytes()))
    assert outcomes(taken_from(stick))["config"] in {"document_malformed", "signature_refused"}
    assert in_force(stick)["config"] is False
