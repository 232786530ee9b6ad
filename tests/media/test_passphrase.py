"""The passphrase comes from a prompt, a private file or a descriptor, and from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from media.errors import Exposed, MediaError, NotARegularFile, NotFound, PassphraseMissing, PassphraseRefused, TooLarge
from media.passphrase import LIMIT, Passphrase, from_descriptor, from_file, from_prompt, taken_from


def private(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"words", b"words"),
        (b"words\n", b"words"),
        (b"words\r\n", b"words"),
        (b"words\n\n", b"words\n"),
        (b" words ", b" words "),
        ("wörter\n".encode(), "wörter".encode()),
    ],
)
def test_exactly_one_line_end_is_taken_off(tmp_path: Path, pipe: tuple[int, int], written: bytes, meant: bytes) -> None:
    assert from_file(private(tmp_path / "p", written)).reveal() == meant
    os.write(pipe[1], written)
    os.close(pipe[1])
    assert from_descriptor(pipe[0]).reveal() == meant


@pytest.mark.parametrize("written", [b"", b"\n", b"\r\n"])
def test_an_empty_passphrase_is_none(tmp_path: Path, written: bytes) -> None:
    with pytest.raises(PassphraseMissing):
        from_file(private(tmp_path / "p", written))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Exposed):
        from_file(private(tmp_path / "p", b"words", mode))


def test_a_link_a_folder_and_too_much_are_refused_as_every_file_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(private(tmp_path / "p", b"words"))
    (tmp_path / "folder").mkdir(mode=0o700)
    private(tmp_path / "long", b"x" * (LIMIT + 1))
    cases: dict[str, type[MediaError]] = {
        "link": NotARegularFile,
        "folder": NotARegularFile,
        "long": TooLarge,
        "none": NotFound,
    }
    for name, expected in cases.items():
        with pytest.raises(expected):
            from_file(tmp_path / name)


def test_a_descriptor_that_is_not_open_or_gives_too_much_is_refused(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x" * (LIMIT + 1))
    os.close(pipe[1])
    for descriptor in (pipe[0], 1_000_000, 2**70):
        with pytest.raises(PassphraseRefused):
            from_descriptor(descriptor)


def test_a_new_passphrase_is_typed_twice_and_must_be_the_same() -> None:
    typed = iter(["words", "words", "words", "swords", "words"])
    assert from_prompt(lambda _: next(typed), confirm=True).reveal() == b"words"
    with pytest.raises(PassphraseRefused, match="differ"):
        from_prompt(lambda _: next(typed), confirm=True)
    assert from_prompt(lambda _: next(typed), confirm=False).reveal() == b"words"


def test_nothing_typed_is_refused_before_it_is_asked_again() -> None:
    with pytest.raises(PassphraseMissing):
        from_prompt(lambda _: "", confirm=True)


def test_a_person_is_asked_where_nothing_else_was_named(tmp_path: Path, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"piped")
    os.close(pipe[1])
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return "typed by a person"

    assert taken_from(private(tmp_path / "p", b"filed"), None, ask).reveal() == b"filed"
    assert taken_from(None, pipe[0], ask).reveal() == b"piped"
    assert questions == []
    assert taken_from(None, None, ask, confirm=True, question="Yours").reveal() == b"typed by a person"
    assert questions == ["Yours", "The same once more"]


@pytest.mark.parametrize("short", ["x", "elevenchars", "\u00fc" * 11])
def test_a_new_passphrase_is_not_short_wherever_it_comes_from(tmp_path: Path, short: str) -> None:
    """Counted in characters. One that is in use already is whatever it is."""
    file = private(tmp_path / "p", short.encode())
    for given, ask in ((file, str), (None, lambda _: short)):
        with pytest.raises(PassphraseRefused, match="at least 12 characters"):
            taken_from(given, None, ask, confirm=True)
    assert taken_from(file, None, str).reveal() == short.encode()
    longer = short + "x" * 11
    assert taken_from(None, None, lambda _: longer, confirm=True).reveal() == longer.encode()


def test_it_never_shows_itself() -> None:
    secret = Passphrase(b"words")
    assert "words" not in f"{secret} {secret!r} {[secret]}"
