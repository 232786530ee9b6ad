"""A fault is told by its type and its place, and never by its words."""

from __future__ import annotations

import logging

import pytest

from appliance.observe.log_lines import LogLines


def told(error: BaseException) -> str:
    record = logging.LogRecord("ao", logging.ERROR, "x", 1, "%s: fault", ("id-1",), (type(error), error, None))
    return LogLines().format(record)


def raised(prompt: str) -> BaseException:
    try:
        try:
            raise KeyError(prompt)
        except KeyError as cause:
            raise ValueError(f"cannot read {prompt}") from cause
    except ValueError as error:
        return error


def test_types_and_places_of_the_whole_chain_are_told_and_no_words() -> None:
    lines = told(raised("PROMPT"))
    assert "id-1: fault" in lines
    assert lines.index("builtins.KeyError") < lines.index("which led to") < lines.index("builtins.ValueError")
    assert "test_log_lines.py" in lines
    assert "PROMPT" not in lines


def test_what_was_going_on_meanwhile_is_told_unless_it_was_meant_to_be_left_out() -> None:
    def fault(*, hidden: bool) -> BaseException:
        try:
            try:
                raise KeyError("PROMPT")
            except KeyError:
                if hidden:
                    raise ValueError("PROMPT") from None
                raise ValueError("PROMPT")  # noqa: B904 - an exception while handling another is the case
        except ValueError as error:
            return error

    assert "KeyError" in told(fault(hidden=False))
    assert "KeyError" not in told(fault(hidden=True))


def test_an_exception_that_causes_itself_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert told(first).count("ValueError") == 2


def test_notes_and_groups_tell_no_words_either() -> None:
    error = ExceptionGroup("PROMPT", [ValueError("PROMPT")])
    error.add_note("PROMPT")
    assert "PROMPT" not in told(error)


@pytest.mark.parametrize("text", ["plain", "with %s"])
def test_a_line_without_a_fault_is_as_ever(text: str) -> None:
    record = logging.LogRecord("ao", logging.WARNING, "x", 1, text, (), None)
    assert LogLines().format(record).endswith(f"WARNING ao {text}")
