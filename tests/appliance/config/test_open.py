"""A signed config is opened for this site only, from the bytes that were verified, and held against the licence."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.config.open import check_against_licence, open_config
from appliance.errors import ConfigRefused
from licensing.errors import Malformed, SignatureRefused, WrongAudience, WrongKind
from licensing.licence import Licence
from licensing.strict_json import canonical, load_object
from licensing.trust import pin
from media.errors import YamlRefused
from tests.appliance.papers import DEMO_MODELS, NOW, SITE, config_bytes, config_head, licence_bytes, trust_bytes
from tests.licensing.documents import clear_signed, keys, signed

TRUST = pin(trust_bytes()).claims
OFFICERS = keys("officer-1", "officer-2")


def test_a_config_of_two_officers_is_opened_with_its_text() -> None:
    opened = open_config(config_bytes(), TRUST, site=SITE)
    assert opened.verified.claims.serial == 1
    assert len(opened.verified.signers) == 2
    assert opened.text == config_head() + DEMO_MODELS


def test_one_officer_is_not_enough() -> None:
    for signers in (("officer-1",), ("officer-1", "officer-1"), ("officer-1", "licence-1"), ("root-1", "root-2")):
        with pytest.raises(SignatureRefused):
            open_config(config_bytes(signers=signers), TRUST, site=SITE)


def test_a_config_for_another_site_is_refused_at_its_line() -> None:
    with pytest.raises(WrongAudience) as refused:
        open_config(config_bytes(site="another-site"), TRUST, site=SITE)
    assert refused.value.where == "line 5, site"


def test_a_changed_byte_is_no_config() -> None:
    data = config_bytes()
    with pytest.raises(SignatureRefused):
        open_config(data.replace(b"alias: chat", b"alias: chst"), TRUST, site=SITE)


def test_another_document_is_no_config() -> None:
    with pytest.raises(WrongKind):
        open_config(signed("licence", b"kind: config\n", *OFFICERS), TRUST, site=SITE)


@pytest.mark.parametrize("body", ["- a\n- b\n", "words\n", "7\n"])
def test_a_config_is_a_mapping(body: str) -> None:
    with pytest.raises(ConfigRefused):
        open_config(clear_signed(body.encode(), *OFFICERS), TRUST, site=SITE)


@pytest.mark.parametrize("body", ["a: &x 1\n", "a: !!python/name:os.system 1\n", "a: 1\na: 2\n"])
def test_yaml_that_is_too_clever_is_refused_although_it_is_signed(body: str) -> None:
    with pytest.raises(YamlRefused):
        open_config(clear_signed((config_head() + body).encode(), *OFFICERS), TRUST, site=SITE)


@pytest.mark.parametrize("line", ["kind: config\n", "schema: 1\n", "serial: 1\n", f"site: {SITE}\n"])
def test_a_head_without_a_member_is_refused(line: str) -> None:
    body = (config_head() + DEMO_MODELS).replace(line, "")
    with pytest.raises((Malformed, WrongKind)):
        open_config(clear_signed(body.encode(), *OFFICERS), TRUST, site=SITE)


def licence(**changes: Any) -> Licence:
    from licensing.envelope import parse

    body = parse(licence_bytes(key="0" * 64, epoch=1, now=NOW, **changes)).body
    return Licence.from_mapping(load_object(canonical(load_object(body))))


def check(**changes: Any) -> None:
    opened = open_config(config_bytes(), TRUST, site=SITE)
    check_against_licence(opened.verified.claims, opened.document, licence(**changes))


def test_what_the_licence_does_not_cover_is_refused_at_its_line_with_what_it_covers() -> None:
    check()
    with pytest.raises(ConfigRefused, match="'chat'; it covers: gpt-") as refused:
        check(models=["gpt-*"])
    assert refused.value.where == "line 7, models[0].alias"


def test_a_feature_that_the_licence_lacks_is_refused_at_its_line() -> None:
    with pytest.raises(ConfigRefused, match=r"demonstration|add-on") as refused:
        check(add_ons=[])
    assert refused.value.where == "line 9, models[0].provider.name"
    assert refused.value.remedy.startswith("Take it out of the config")
