"""Whatever an app asks and whatever an upstream answers, an adapter translates, refuses by name, or says unreadable."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.providers.call import CannotTranslate, UnreadableAnswer
from tests.appliance.providers.natives import NATIVES, Native, chat_call
from tests.appliance.providers.recorded import HISTORY, TOOL
from tests.appliance.providers.sent import body_of

each_native = pytest.mark.parametrize("native", NATIVES, ids=lambda native: native.name)
CALL = chat_call()
GOOD: dict[str, Any] = {
    "messages": HISTORY,
    "tools": [TOOL],
    "tool_choice": "auto",
    "stop": ["x"],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "temperature": 1,
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**40, "", "x", [], {}, [None], [[]], [{}], {"type": "x"}, {"type": 1}]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, each in inner for place in places(each, (*path, name)))]


def with_odd(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = with_odd(changed[path[0]], path[1:], odd)
    return changed


@each_native
@given(path=st.sampled_from(places(GOOD)[1:]), odd=ODD)
def test_a_request_with_one_odd_value_is_sent_or_refused_by_name(native: Native, path: Any, odd: Any) -> None:
    with suppress(CannotTranslate):
        assert json.loads(body_of(native.sent(**with_odd(GOOD, path, odd))))


@each_native
@given(which=st.sampled_from(["text", "tools"]), odd=ODD, data=st.data())
def test_an_answer_with_one_odd_value_is_told_or_unreadable(native: Native, which: str, odd: Any, data: Any) -> None:
    body: dict[str, Any] = getattr(native, which)
    path = data.draw(st.sampled_from(places(body)))
    assert native.chat.whole is not None
    with suppress(UnreadableAnswer):
        assert json.loads(native.chat.whole(CALL, json.dumps(with_odd(body, path, odd)).encode()))["choices"]


@each_native
@given(
    which=st.sampled_from(["text_stream", "tool_stream", "broken_stream"]),
    at=st.integers(0, 5000),
    put=st.binary(max_size=6),
    gone=st.integers(0, 40),
)
def test_a_stream_with_something_changed_is_told_or_unreadable(
    native: Native, which: str, at: int, put: bytes, gone: int
) -> None:
    whole: bytes = getattr(native, which)
    at %= len(whole)
    assert native.chat.stream is not None
    made = native.chat.stream(CALL)
    with suppress(UnreadableAnswer):
        told = made.feed(whole[:at] + put + whole[at + gone :]) + made.finish()
        assert told == b"" or (told.startswith(b"data: ") and told.endswith(b"\n\n"))
