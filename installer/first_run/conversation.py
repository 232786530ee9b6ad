"""How the setup asks: a person at a terminal, or a file of answers that was written before.

A terminal is taken as it comes: lines of ASCII, no colour and no cursor, so that a serial console at LANG=C does. Each
answer is checked as it is given; one that cannot be is told in a sentence and asked for again. In a file it ends the
setup with the name of the answer.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from installer.errors import AnswerRefused, SetupUnfinished
from licensing.errors import Refusal
from licensing.shown import shown
from media.errors import Unreadable
from media.passphrase import Passphrase, from_file

T = TypeVar("T")
Check = Callable[[str], T]
"""Makes an answer of what was typed, or raises a Refusal that says why it cannot be one."""

WIDTH: Final = 78
INSTALLATION: Final = "install"
"""The table of the same file that is the installation's."""
ANSWERS_LIMIT: Final = 64 * 1024
YES_NO: Final = {"yes": True, "y": True, "no": False, "n": False}


class Conversation(Protocol):
    unattended: bool
    """Whether nobody is there who could compare or decide."""

    def say(self, *lines: str) -> None: ...

    def ask(self, name: str, question: str, check: Check[T], *, default: str | None = None) -> T: ...

    def choose(self, name: str, question: str, options: Mapping[str, str], *, default: str) -> str: ...

    def agree(self, name: str, question: str) -> bool: ...

    def secret(self, name: str, question: str) -> Passphrase: ...


def as_it_is(typed: str) -> str:
    return typed


class AtTerminal:
    """`read_line` shows a prompt and gives what was typed; `read_secret` the same without showing it. Both raise
    EOFError or KeyboardInterrupt where the person leaves."""

    unattended = False

    def __init__(
        self, read_line: Callable[[str], str], read_secret: Callable[[str], str], write: Callable[[str], None]
    ) -> None:
        self._read_line, self._read_secret, self._write = read_line, read_secret, write

    def say(self, *lines: str) -> None:
        for line in lines:
            for each in _wrapped(shown(line, 2000).encode("ascii", "backslashreplace").decode("ascii")):
                self._write(each)

    def ask(self, name: str, question: str, check: Check[T], *, default: str | None = None) -> T:
        while True:
            typed = self._typed(f"{question} [{default}]: " if default else f"{question}: ").strip()
            try:
                return check(typed or default or "")
            except Refusal as refusal:
                where = "" if refusal.where in (None, name) else f"{refusal.where}: "
                self.say(f"  {where}{refusal.message}", f"  {refusal.remedy}")

    def choose(self, name: str, question: str, options: Mapping[str, str], *, default: str) -> str:
        numbered = dict(enumerate(options, 1))
        self.say(question, *(f"  {number}  {options[each]}" for number, each in numbered.items()))
        keys = {str(number): each for number, each in numbered.items()} | {each: each for each in options}
        chosen = next(str(number) for number, each in numbered.items() if each == default)
        return self.ask(name, "Number", lambda typed: _one_of(typed, keys, name), default=chosen)

    def agree(self, name: str, question: str) -> bool:
        return self.ask(name, f"{question} (yes or no)", lambda typed: _yes_or_no(typed, name))

    def secret(self, name: str, question: str) -> Passphrase:
        while True:
            first = self._typed(f"{question}: ", secret=True)
            if first and first == self._typed("The same once more: ", secret=True):
                return Passphrase(first.encode("utf-8", "surrogateescape"))
            self.say("  The two differ. Type it again." if first else "  Nothing was typed. Type it again.")

    def _typed(self, prompt: str, *, secret: bool = False) -> str:
        plain = prompt.encode("ascii", "backslashreplace").decode("ascii")
        try:
            return (self._read_secret if secret else self._read_line)(plain)
        except (EOFError, KeyboardInterrupt) as error:
            self._write("")
            raise SetupUnfinished("The setup was left; what was done before stays done.") from error


class FromFile:
    """Answers by name, as in `site.id`. One that is missing has its default where there is one."""

    unattended = True

    def __init__(self, answers: Mapping[str, str], where: str, write: Callable[[str], None]) -> None:
        self._answers, self._where, self._write = answers, where, write

    def say(self, *lines: str) -> None:
        for line in lines:
            self._write(line)

    def ask(self, name: str, question: str, check: Check[T], *, default: str | None = None) -> T:
        given = self._answers.get(name, default)
        if given is None:
            raise AnswerRefused(f"There is no answer {name} ({question}).", where=self._where)
        try:
            return check(given)
        except Refusal as refusal:
            place = "" if refusal.where in (None, name) else f" ({refusal.where})"
            raise AnswerRefused(
                f"{refusal.message}{place}", where=f"{self._where}, {name}", remedy=refusal.remedy
            ) from refusal

    def choose(self, name: str, question: str, options: Mapping[str, str], *, default: str) -> str:
        keys = {each: each for each in options}
        return self.ask(name, question, lambda typed: _one_of(typed, keys, name), default=default)

    def agree(self, name: str, question: str) -> bool:
        return self.ask(name, question, lambda typed: _yes_or_no(typed, name))

    def secret(self, name: str, question: str) -> Passphrase:
        """From the private file that `<name>_file` names: a secret does not stand among the answers."""
        return self.ask(f"{name}_file", question, lambda typed: from_file(Path(typed)))


def read_answers(file: Path, known: Sequence[str]) -> dict[str, str]:
    """The answers in a TOML file, by name. Raises AnswerRefused for one that nobody asks for, or that is no text."""
    where = shown(str(file))
    try:
        with file.open("rb") as stream:
            data = stream.read(ANSWERS_LIMIT + 1)
    except OSError as error:
        raise Unreadable(f"The file of answers cannot be read: {error.strerror}.", where=where) from error
    if len(data) > ANSWERS_LIMIT:
        raise AnswerRefused(f"The file has more than {ANSWERS_LIMIT} bytes.", where=where)
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AnswerRefused(f"The file is not TOML: {error}.", where=where) from error
    answers = dict(_flat({name: of for name, of in tables.items() if name != INSTALLATION}, where))
    for name in answers:
        if name not in known:
            raise AnswerRefused(
                f"Nobody asks for {shown(name)}.", where=where, remedy=f"What is asked for: {', '.join(known)}."
            )
    return answers


def _flat(tables: Mapping[str, Any], where: str) -> list[tuple[str, str]]:
    found = []
    for table, members in tables.items():
        if not isinstance(members, dict):
            raise AnswerRefused(f"{shown(table)} is no table.", where=where, remedy="Write it as in: [site] id = ….")
        for name, value in members.items():
            if isinstance(value, bool):
                found.append((f"{table}.{name}", "yes" if value else "no"))
            elif isinstance(value, str | int):
                found.append((f"{table}.{name}", str(value)))
            elif isinstance(value, list) and all(isinstance(each, str) for each in value):
                found.append((f"{table}.{name}", ", ".join(value)))
            else:
                raise AnswerRefused(
                    "An answer is a text, a number, or a list of texts.", where=f"{where}, {table}.{name}"
                )
    return found


def _one_of(typed: str, keys: Mapping[str, str], name: str) -> str:
    if typed not in keys:
        raise AnswerRefused(
            f"{shown(typed, 40)!r} is none of them.", where=name, remedy=f"Answer with one of: {', '.join(keys)}."
        )
    return keys[typed]


def _yes_or_no(typed: str, name: str) -> bool:
    if typed.lower() not in YES_NO:
        raise AnswerRefused("That is neither yes nor no.", where=name, remedy="Type yes or no, and Enter.")
    return YES_NO[typed.lower()]


def _wrapped(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=True) or [""]
