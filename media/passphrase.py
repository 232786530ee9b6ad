"""Where the passphrase of a person's key comes from: a prompt, a private file, or an inherited descriptor.

Promise: never an argument and never the environment, which other processes and shell histories see. Exactly one line
end is taken off; an empty passphrase and a file that others can reach are refused. What is returned never shows itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from licensing.shown import shown
from media.errors import Exposed, PassphraseMissing, PassphraseRefused
from media.private_file import OTHERS
from media.reader import LIMITS, read_document

LIMIT = LIMITS["passphrase"]
SHORTEST_NEW = 12
"""Characters. What is already in use is not judged: it opens its key or it does not."""


class Passphrase:
    """A secret's bytes, which only `reveal` gives away."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if not secret:
            raise PassphraseMissing("The passphrase is empty.")
        self._secret = secret

    def reveal(self) -> bytes:
        return self._secret

    def __repr__(self) -> str:
        return "Passphrase(…)"


AskPassphrase = Callable[[], Passphrase]
"""Gives the passphrase once it is needed."""


def taken_from(
    file: Path | None,
    descriptor: int | None,
    ask: Callable[[str], str],
    *,
    confirm: bool = False,
    question: str = "Passphrase",
) -> Passphrase:
    """The passphrase from the file or the descriptor that was named, else as typed. `confirm`: it is a new one."""
    if file is not None:
        secret = from_file(file)
    elif descriptor is not None:
        secret = from_descriptor(descriptor)
    else:
        secret = from_prompt(ask, confirm=confirm, question=question)
    if confirm:
        require_long_enough(secret)
    return secret


def require_long_enough(secret: Passphrase) -> None:
    """A new key file will be copied to media, where anybody may try passphrases on it. Raises PassphraseRefused."""
    length = len(secret.reveal().decode("utf-8", "replace"))
    if length < SHORTEST_NEW:
        raise PassphraseRefused(
            f"A new passphrase must have at least {SHORTEST_NEW} characters; this one has {length}.",
            remedy="Choose a longer one, for example four words; nothing was made.",
        )


def from_file(path: Path) -> Passphrase:
    """The passphrase in a file of one's own. Raises Exposed, PassphraseMissing, MediaError."""
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        mode = 0  # the reader below says what is wrong, in the same words as for every other file
    if mode & OTHERS and not path.is_symlink():
        raise Exposed("Other users of this host can reach the passphrase file.", where=shown(str(path)))
    return Passphrase(without_line_end(read_document(path, limit=LIMIT)))


def from_descriptor(descriptor: int) -> Passphrase:
    """The passphrase that a parent process wrote into a pipe. Raises PassphraseRefused, PassphraseMissing."""
    collected = b""
    try:
        while len(collected) <= LIMIT and (chunk := os.read(descriptor, LIMIT + 1)):
            collected += chunk
    except (OSError, OverflowError) as error:
        raise PassphraseRefused(
            f"File descriptor {descriptor} cannot be read.",
            remedy="Start the command with that descriptor open for reading, for example: --passphrase-fd 3 3<FILE.",
        ) from error
    if len(collected) > LIMIT:
        raise PassphraseRefused(
            f"The passphrase is longer than {LIMIT} bytes.", remedy="Check what was written into the descriptor."
        )
    return Passphrase(without_line_end(collected))


def from_prompt(ask: Callable[[str], str], *, confirm: bool, question: str = "Passphrase") -> Passphrase:
    """The passphrase as typed; twice where it is new. Raises PassphraseMissing, PassphraseRefused."""
    typed = ask(question)
    secret = Passphrase(typed.encode("utf-8", "surrogateescape"))
    if confirm and ask("The same once more") != typed:
        raise PassphraseRefused("The two passphrases differ.", remedy="Try again; nothing was made.")
    return secret


def without_line_end(data: bytes) -> bytes:
    """`data` without its one trailing line end (LF or CR LF), if it has one."""
    if data.endswith(b"\r\n"):
        return data[:-2]
    return data.removesuffix(b"\n")
