"""What a person is shown holds nothing but visible characters, whatever it was made of."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licensing.shown import shown

HARMFUL = {
    "line feed": ("a\nb", r"a\nb"),
    "carriage return": ("a\rb", r"a\rb"),
    "tab": ("a\tb", r"a\tb"),
    "NUL": ("a\x00b", r"a\x00b"),
    "bell": ("a\ab", r"a\x07b"),
    "backspace": ("a\bb", r"a\x08b"),
    "escape that clears the screen": ("\x1b[2Jb", r"\x1b[2Jb"),
    "C1 control sequence introducer": ("\x9b31mb", r"\x9b31mb"),
    "delete": ("a\x7fb", r"a\x7fb"),
    "next line": ("a\x85b", r"a\x85b"),
    "line separator": ("a\u2028b", r"a\u2028b"),
    "paragraph separator": ("a\u2029b", r"a\u2029b"),
    "right-to-left override": ("a\u202egpj.exe", r"a\u202egpj.exe"),
    "isolate": ("a\u2066b\u2069", r"a\u2066b\u2069"),
    "right-to-left mark": ("a\u200fb", r"a\u200fb"),
    "Arabic letter mark": ("a\u061cb", r"a\u061cb"),
    "zero-width space": ("a\u200bb", r"a\u200bb"),
    "zero-width joiner": ("a\u200db", r"a\u200db"),
    "byte order mark": ("\ufeffa", r"\ufeffa"),
    "soft hyphen": ("a\xadb", r"a\xadb"),
    "no-break space": ("a\xa0b", r"a\xa0b"),
    "Hangul filler": ("a\u3164b", r"a\u3164b"),
    "variation selector": ("a\ufe0fb", r"a\ufe0fb"),
    "tag character": ("a\U000e0041b", r"a\U000e0041b"),
    "a byte that is not UTF-8": (os.fsdecode(b"a\xffb"), r"a\udcffb"),
}


@pytest.mark.parametrize(("text", "expected"), HARMFUL.values(), ids=HARMFUL.keys())
def test_harmful_characters_are_shown_as_escapes(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("text", ["", "licence.json", "/media/Müller & Söhne/许可证.json", "a b", r"a\b", "e\u0301"])
def test_harmless_text_is_left_as_it_is(text: str) -> None:
    assert shown(text) == text


@given(st.text(st.characters(exclude_categories=[])), st.integers(min_value=1, max_value=50))
def test_every_text_becomes_one_short_visible_line(text: str, limit: int) -> None:
    result = shown(text, limit)
    assert len(result) <= limit
    assert result.isprintable()
    assert len(result.splitlines()) <= 1
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in result)
    assert result.encode("utf-8").decode("utf-8") == result
    assert shown(result, limit) == result


def test_long_text_ends_in_an_ellipsis_and_never_in_half_an_escape() -> None:
    assert shown("a" * 121) == "a" * 119 + "…"
    assert shown("a" * 120) == "a" * 120
    assert shown("abc\x1bdef", 6) == "abc…"
    assert len(shown("\x1b" * 10**6)) <= 120
