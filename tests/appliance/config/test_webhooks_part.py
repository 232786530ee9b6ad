"""The section `webhooks`: what it may say, whose secrets it holds, and that no secret is shown."""

from __future__ import annotations

import pytest
from nacl.public import PrivateKey, SealedBox

from appliance.config.model import Config, read_config
from appliance.config.plan import plan
from appliance.config.seal_text import seal_text
from appliance.config.sealed import DoesNotOpen, Place, unseal
from appliance.config.secrets import resolve_webhook
from appliance.config.webhooks_part import Webhook
from appliance.errors import ConfigRefused, SealRefused, SecretMissing
from appliance.providers.registry import known_needs
from licensing.config_header import header_of
from media.errors import YamlRefused
from media.strict_yaml import load
from tests.appliance.papers import DEMO_MODELS, SITE, config_head

SECRET = "a-secret-of-some-length"
OURS = PrivateKey(bytes(range(32)))


def hook(secret: str = "${SIEM}", *, url: str = "https://siem.local/ao", more: str = "", name: str = "siem") -> str:
    return f"  - name: {name}\n    url: {url}\n    secret: {secret}\n{more}"


def read(section: str) -> Config:
    document = load((config_head() + DEMO_MODELS + "webhooks:\n" + section).encode())
    assert isinstance(document.value, dict)
    return read_config(document, header_of(document.value), known_needs())


def opens(box: bytes) -> bytes:
    opened: bytes = SealedBox(OURS).decrypt(box)
    return opened


def test_a_webhook_is_read_with_every_default_filled_in() -> None:
    assert read(hook()).webhooks == (Webhook("siem", "https://siem.local/ao", ("*",), "${SIEM}", None, 10.0, 3),)


def test_a_config_without_the_section_names_nobody() -> None:
    document = load((config_head() + DEMO_MODELS).encode())
    assert isinstance(document.value, dict)
    assert read_config(document, header_of(document.value), known_needs()).webhooks == ()


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (hook() + hook(url="http://b/"), "two webhooks named"),
        (hook("short"), "16 characters"),
        (hook('"sealed:v9:abc"'), "sealed in a way"),
        (hook('"x${SIEM}"'), "exactly ${NAME}"),
        (hook(url="ftp://siem.local/"), "url"),
        (hook(url="https://user@siem.local/"), "url"),
        (hook(more="    events: ['KEY PAUSED']\n"), "events"),
        (hook(more="    events: []\n"), "events"),
        (hook(more="    ca: no certificate\n"), "no certificates in PEM"),
        (hook(more="    give_up_days: 0\n"), "give_up_days"),
        (hook(more="    follow_redirects: true\n"), "no such setting"),
    ],
)
def test_a_refusal_names_the_line_and_the_key_and_no_secret(section: str, told: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        read(section)
    assert told in f"{refused.value} {refused.value.where}"
    assert "line" in str(refused.value.where)
    assert "webhooks" in str(refused.value.where)


def test_a_secret_is_never_shown() -> None:
    before, after = read(hook(SECRET)), read(hook(SECRET + "-new"))
    texts = tuple(load(("webhooks:\n" + hook(each)).encode()).value for each in (SECRET, SECRET + "-new"))
    told = "\n".join(plan(before, after, (texts[0], texts[1])).lines())
    assert "webhooks[0].secret: (hidden)" in told
    assert SECRET not in told + repr(after)
    assert "webhook siem stand in clear" in told


def test_a_secret_is_sealed_with_the_keys_of_the_same_text_and_bound_to_its_address() -> None:
    text = config_head() + DEMO_MODELS + "webhooks:\n" + hook(SECRET) + hook("${OTHER}", name="other")
    done = seal_text(text.encode(), file="it.yaml", site=SITE, sealing_key=bytes(OURS.public_key))
    assert SECRET not in done.text
    assert [each.startswith("siem ") for each in done.sealed] == [True]
    document = load(done.text.encode())
    assert isinstance(document.value, dict)
    webhook = read_config(document, header_of(document.value), known_needs()).webhooks[0]
    assert resolve_webhook(webhook, lambda _: None, SITE, opens) == SECRET
    elsewhere = Webhook("siem", "https://elsewhere.local/", ("*",), webhook.secret)
    with pytest.raises(SealRefused):
        resolve_webhook(elsewhere, lambda _: None, SITE, opens)
    with pytest.raises(DoesNotOpen):
        unseal(webhook.secret, Place(SITE, "chat", "webhook", webhook.url), opens)


def test_a_secret_that_would_stay_in_the_text_is_not_called_sealed() -> None:
    text = config_head() + DEMO_MODELS + f"# {SECRET}\nwebhooks:\n" + hook(SECRET)
    with pytest.raises(YamlRefused):
        seal_text(text.encode(), file="it.yaml", site=SITE, sealing_key=bytes(OURS.public_key))


@pytest.mark.parametrize("value", [None, "", "too-short"])
def test_a_name_that_the_host_does_not_provide_well_is_refused(value: str | None) -> None:
    with pytest.raises(SecretMissing) as refused:
        resolve_webhook(read(hook()).webhooks[0], lambda _: value, SITE, opens)
    assert "siem" in str(refused.value.where)
