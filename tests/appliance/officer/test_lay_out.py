"""What an officer is shown is what is signed, and what no site would read is not signed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.errors import ConfigRefused
from appliance.officer.lay_out import LIMIT, Paper, lay_out_signed, lay_out_text
from licensing.algorithms import digest
from licensing.envelope import Envelope, sign, to_clear, to_json
from licensing.errors import Malformed, Refusal, WrongKind
from media.errors import YamlRefused
from tests.appliance.officer.officers import TEXT, in_memory
from tests.appliance.papers import NOW, config_bytes, config_head
from tests.licensing.documents import clear_signed, keys, signed

HEAD = 'kind: config\nschema: 1\nserial: 4\nissued_at: "2026-11-24T12:00:00Z"\nsite: "plant-7"\n'
ALICE = in_memory("alice")


def laid_out(text: str, *, site: str = "plant-7", serial: int = 4) -> Paper:
    return lay_out_text(text.encode(), file="plant.yaml", site=site, serial=serial, now=NOW)


def test_the_text_stays_as_it_was_under_its_head() -> None:
    paper = laid_out(TEXT)
    assert paper.envelope.body == (HEAD + TEXT).encode()
    assert paper.envelope.signatures == ()
    assert paper.digest == digest((HEAD + TEXT).encode())
    assert laid_out(HEAD + TEXT).envelope == paper.envelope


def test_what_is_signed_is_shown() -> None:
    shown = "\n".join(laid_out(TEXT).lines())
    for fact in (laid_out(TEXT).digest, "serial:  4", "site:    plant-7", "2026-11-24T12:00:00Z", "chat: demo chat"):
        assert fact in shown


def test_a_key_in_the_config_is_not_shown() -> None:
    provider = "{name: openai-compatible, api_base: http://gpu, api_key: sk-inline-secret}"
    paper = laid_out(f"models:\n  - alias: chat\n    provider: {provider}\n")
    assert "sk-inline-secret" not in "\n".join(paper.lines()) + str(paper.as_dict()) + repr(paper.config)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        (HEAD.replace("plant-7", "plant-8") + TEXT, "line 5", "is for site 'plant-8'"),
        (HEAD.replace("serial: 4", "serial: 5") + TEXT, "line 3", "has serial 5"),
        (HEAD.replace("12:00:00Z", "12:00:01Z") + TEXT, "line 4", "has not come yet"),
        ("serial: 4\n" + TEXT, "line 1", "is missing"),
        (TEXT.replace("demo", "nobody"), "line 10", "There is no provider 'nobody'"),
        (TEXT + "extra: 1\n", "line 11", "There is no such setting here"),
        ("models: []\n", "line 6", "at least 1 item"),
        ("- a\n", None, "not a mapping"),
        (TEXT + "# -----BEGIN AO SIGNATURE-----\n", None, "signature block already"),
        ("# " + "x" * (LIMIT - len(TEXT) - 3) + "\n" + TEXT, None, "a site reads"),
    ],
)
def test_what_no_site_would_read_is_refused_with_its_place(text: str, place: str | None, reason: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        laid_out(text)
    assert reason in refused.value.message
    assert (refused.value.where or "").startswith(f"plant.yaml, {place}" if place else "plant.yaml")
    assert (refused.value.code, refused.value.exit_code) == ("config_refused", 60)


@pytest.mark.parametrize("text", ["a: [\n", "a: 1\na: 2\n", "a: &x 1\n", "", "a: 1\r\n"])
def test_broken_yaml_is_refused_with_its_file(text: str) -> None:
    with pytest.raises(YamlRefused) as refused:
        laid_out(text)
    assert (refused.value.where or "").startswith("plant.yaml, line")


@pytest.mark.parametrize("site", ["", "ab", "Plant", 'x"\nserial: 9\n"', "plant 7", "a" * 64])
def test_a_site_that_is_none_is_refused(site: str) -> None:
    with pytest.raises(ConfigRefused, match="site") as refused:
        laid_out(TEXT, site=site)
    assert "command line" in refused.value.remedy


@pytest.mark.parametrize("site", ["true", "null", "007", "1e5", "on-"])
def test_a_site_that_yaml_would_take_for_something_else_keeps_its_name(site: str) -> None:
    assert laid_out(TEXT, site=site).config.site == site


@pytest.mark.parametrize("spell", [to_clear, to_json])
def test_a_signed_config_keeps_its_form_and_its_body(spell: Callable[[Envelope], bytes]) -> None:
    envelope = sign(laid_out(TEXT).envelope.payload_type, laid_out(TEXT).envelope.body, [ALICE])
    paper = lay_out_signed(spell(envelope), file="x")
    assert paper.envelope == envelope
    assert paper.to_bytes(envelope) == spell(envelope)
    assert paper.claimed == (ALICE.public_key.keyid,)
    assert any(ALICE.public_key.keyid[:12] in line for line in paper.lines())


def test_what_a_foreign_file_claims_is_shown_harmlessly() -> None:
    envelope = sign(laid_out(TEXT).envelope.payload_type, laid_out(TEXT).envelope.body, [ALICE])
    data = to_clear(envelope).replace(ALICE.public_key.keyid.encode(), b"\\u001b[31m\\u202e")
    assert "\x1b" not in "".join(lay_out_signed(data, file="x").lines())


def test_other_documents_and_configs_that_break_their_rules_are_not_cosigned() -> None:
    broken = (config_head() + "models: 7\n").encode()
    cases: list[tuple[bytes, type[Refusal]]] = [
        (signed("licence", b'{"kind": "licence"}', *keys("licence-1")), WrongKind),
        (clear_signed(broken, *keys("officer-1")), ConfigRefused),
        (clear_signed(TEXT.encode(), *keys("officer-1")), ConfigRefused),
        (clear_signed(b"a: [\n", *keys("officer-1")), YamlRefused),
        (TEXT.encode(), Malformed),
        (config_bytes()[:-5], Malformed),
    ]
    for data, expected in cases:
        with pytest.raises(expected):
            lay_out_signed(data, file="x")
