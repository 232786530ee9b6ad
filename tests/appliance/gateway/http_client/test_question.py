"""A request's head: what is asked of whom, and what cannot be said in HTTP at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.gateway.http_client.question import CannotBeAsked, Origin, question


def lines(url: str, *headers: tuple[str, str], length: int | None = 2) -> list[str]:
    head = question(url, headers, length)[1].decode("latin-1")
    assert head.endswith("\r\n\r\n")
    return head.removesuffix("\r\n\r\n").split("\r\n")


@pytest.mark.parametrize(
    ("url", "origin", "first", "host"),
    [
        ("http://gpu:8000/v1/x", Origin(secure=False, host="gpu", port=8000), "POST /v1/x", "gpu:8000"),
        ("http://gpu/v1/x?a=b", Origin(secure=False, host="gpu", port=80), "POST /v1/x?a=b", "gpu"),
        ("https://API.Example", Origin(secure=True, host="api.example", port=443), "POST /", "api.example"),
        ("https://gpu:80/x", Origin(secure=True, host="gpu", port=80), "POST /x", "gpu:80"),
        ("http://gpu:80/x", Origin(secure=False, host="gpu", port=80), "POST /x", "gpu"),
        ("http://[::1]:8000/x", Origin(secure=False, host="::1", port=8000), "POST /x", "[::1]:8000"),
        ("http://gpu/x?q=a#b", Origin(secure=False, host="gpu", port=80), "POST /x?q=a", "gpu"),
        ("http://bücher.example/", Origin(secure=False, host="xn--bcher-kva.example", port=80), "POST /", None),
    ],
)
def test_the_address_says_whom_and_what(url: str, origin: Origin, first: str, host: str | None) -> None:
    assert question(url, (), 2)[0] == origin
    assert lines(url)[0] == f"{first} HTTP/1.1"
    assert f"host: {host or origin.host}" in lines(url)


def test_what_no_address_may_hold_is_written_in_percent() -> None:
    assert lines("http://gpu/modell ä?zeit=a b\r\nx: y")[0] == "POST /modell%20%C3%A4?zeit=a%20b%0D%0Ax:%20y HTTP/1.1"
    assert lines("http://gpu/a%2Fb?c=%20")[0] == "POST /a%2Fb?c=%20 HTTP/1.1"


def test_the_body_has_a_length_or_goes_in_chunks() -> None:
    assert "content-length: 0" in lines("http://gpu/", length=0)
    assert "transfer-encoding: chunked" in lines("http://gpu/", length=None)
    assert not any(each.startswith("content-length") for each in lines("http://gpu/", length=None))


def test_a_host_that_was_signed_is_the_only_one() -> None:
    assert [each for each in lines("http://gpu/", ("Host", "signed")) if each.lower().startswith("host")] == [
        "Host: signed"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nauthorization: y"),
        ("x", "a\nb"),
        ("x", "a\0"),
        ("x", "Ω"),
        ("x y", "a"),
        ("x:", "a"),
        ("", "a"),
        ("x\r\ny", "a"),
    ],
)
def test_a_header_that_would_be_more_than_one_is_not_sent(name: str, value: str) -> None:
    with pytest.raises(CannotBeAsked):
        question("http://gpu/", ((name, value),), 2)


@pytest.mark.parametrize(
    "url", ["ftp://gpu/", "gpu:8000", "http://", "http:///x", "http://gpu:99999/", "http://a b/", "http://u:p@gpu/"]
)
def test_what_is_no_address_of_a_server_is_not_called(url: str) -> None:
    with pytest.raises(CannotBeAsked):
        question(url, (), 2)


@given(st.text(), st.text(), st.text())
def test_whatever_is_given_is_one_head_or_none(path: str, name: str, value: str) -> None:
    try:
        _, head = question(f"http://gpu/{path}", ((name, value),), 2)
    except CannotBeAsked:
        return
    first, *others = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert first.count(b" ") == 2
    assert [each.partition(b":")[0] for each in others] == [
        name.encode(),
        *([b"host"] if name.lower() != "host" else []),
        b"user-agent",
        b"accept",
        b"content-length",
    ]
