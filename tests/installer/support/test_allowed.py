"""What may leave is named; everything else stays, whatever it looks like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.support import forms
from installer.support.metric_lines import admit_metrics
from installer.support.pick import Each, pick
from installer.support.search import found_in
from installer.support.shapes import CONFIG, SETTINGS, STATUS
from tests.real.secret_search import forms_of

SECRETS = (
    "sk-proj-9f8a7b6c5d4e3f2a1b0c",
    "ao-7c1f0a9be3d24b6f9c2a",
    "AKIAIOSFODNN7EXAMPLEKEY",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
    "d41d8cd98f00b204e9800998ecf8427e",
    "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==",
)
NAMES = (
    "acme-finetune-v3",
    "meta-llama/Llama-3.1-70B-Instruct",
    "chat#1a2b3c4d",
    "qwen2.5-72b",
    "gpt-4o-mini-2024-07-18",
)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", [forms.name, forms.code, forms.version, forms.path, forms.origin, forms.time])
def test_what_looks_like_a_key_has_no_form(secret: str, form: forms.Form) -> None:
    assert form(secret) is None
    assert form(f"/{secret}") is None
    assert form(f"https://{secret}:8000/v1") is None


@pytest.mark.parametrize("name", NAMES)
def test_names_of_models_have_one(name: str) -> None:
    assert forms.name(name) == name


@pytest.mark.parametrize("text", ["anna.meier@acme.de", "Tell me a secret", "", "a\nb", "x" * 200, 3, None])
def test_addresses_of_mail_and_free_text_are_no_names(text: object) -> None:
    assert forms.name(text) is None


def test_of_an_address_only_scheme_host_and_port_leave() -> None:
    assert forms.origin("https://vllm.internal:8443/tenants/abc-secret/v1?key=sk-1") == "https://vllm.internal:8443"
    assert forms.origin("http://user:word@10.0.0.5/v1") == "http://10.0.0.5"
    assert forms.origin("http://[fd00::5]:8000/v1") == "http://[fd00::5]:8000"
    assert forms.origin("ftp://x/y") is None
    assert forms.origin("http://[broken") is None


def test_of_a_key_only_where_it_comes_from_leaves() -> None:
    assert forms.where_a_key_comes_from("${ACME_KEY}") == "from the host"
    assert forms.where_a_key_comes_from("sealed:v1:AbCd") == "sealed"
    assert forms.where_a_key_comes_from("sk-anything") == "in the config"


def test_members_that_no_shape_names_stay_and_are_told_by_name() -> None:
    told = {
        "port": 8080,
        "future_member": "sk-secret",
        "host": "not an address!",
        "metrics_from": ["10.0.0.0/8", "x y"],
    }
    picked = pick(told | {"Weird Name sk-1234567890": 1}, SETTINGS)
    assert picked.value == {"port": 8080, "metrics_from": ["10.0.0.0/8"]}
    assert picked.left_out == ("future_member", "host", "metrics_from[]", "(a member of another name)")


def test_a_document_of_another_make_leaves_nothing() -> None:
    for shape in (SETTINGS, STATUS, CONFIG):
        assert pick("sk-secret", shape).value is None
        assert pick(["sk-secret"], shape).value is None
        assert pick({"config": ["sk-secret"], "models": {"x": "sk-secret"}, "port": {"a": 1}}, shape).value in (
            {},
            None,
        )


def test_names_that_the_config_gives_leave_in_their_form_alone() -> None:
    shape = Each(forms.name, forms.name)
    picked = pick({"chat": "private-first", "anna@acme.de": "fast", "other": {"filter": "Tell me"}}, shape)
    assert picked.value == {"chat": "private-first", "other": None}
    assert picked.left_out == (".*",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(SECRETS) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["models", "alias", "provider", "api_key", "licence", "port", "usage", *SECRETS])
            | st.text(max_size=20),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON, st.sampled_from([SETTINGS, STATUS, CONFIG]))
def test_no_key_leaves_whatever_a_document_is_made_of(document: Any, shape: Any) -> None:
    picked = pick(document, shape)
    told = repr(picked.value) + repr(picked.left_out)
    assert [secret for secret in SECRETS if secret in told] == []


METRICS = """# HELP ao_requests_total Calls that were admitted, by how they ended.
# TYPE ao_requests_total counter
ao_requests_total{deployment="chat#1a2b3c4d",endpoint="/v1/messages",model="chat",outcome="ok",provider="demo"} 3.0
ao_request_duration_seconds_bucket{le="+Inf",model="chat"} 3.0
ao_serving 1.0
python_info{version="3"} 1.0
ao_requests_total{model="anna.meier@acme.de",outcome="ok"} 1.0
ao_requests_total{team="payments",model="chat"} 1.0
ao_requests_total{model="sk-proj-9f8a7b6c5d4e3f2a1b0c"} 1.0
ao_requests_total{model="chat",broken 1.0
"""


def test_of_metrics_only_known_names_and_labels_leave() -> None:
    found = admit_metrics(METRICS)
    assert [line.split("{")[0].split(" ")[0] for line in found.lines] == [
        "ao_requests_total",
        "ao_request_duration_seconds_bucket",
        "ao_serving",
    ]
    assert found.left_out == (
        "a metric of another name",
        "ao_requests_total, label model",
        "ao_requests_total, label (of another name)",
    )


@pytest.mark.parametrize("secret", SECRETS[:2])
def test_the_last_look_finds_a_secret_in_every_form(secret: str) -> None:
    for form, data in forms_of(secret).items():
        if form.startswith(("UTF-16", "reversed")):
            continue
        assert "the key" in found_in(b'{"a":"' + data + b'"}', {"the key": secret.encode()}), form


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"Authorization: Bearer abcdefgh12345678", "a bearer token"),
        (b"-----BEGIN EC PRIVATE KEY-----", "a private key"),
        (b"sealed:v1:QUJDREVGR0hJSktMTU5P", "a sealed key"),
        (b"sk-abcdefghijklmnop", "a key of a provider"),
        (b"http://user:word@host/", "a name with a password in an address"),
        (b"anna.meier@acme.de", "an address of mail"),
    ],
)
def test_the_last_look_knows_what_secrets_look_like(text: bytes, name: str) -> None:
    assert name in found_in(b'{"x":"' + text + b'"}', {})
    assert found_in(b'{"x":"ordinary words, 3 of 4"}', {}) == []
