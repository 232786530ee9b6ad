"""How the desk gets at private keys: the passphrase of key files, and the PIN and module of tokens.

Each secret is asked for when it is first needed, once, and kept for the command."""

from __future__ import annotations

from pathlib import Path

from media.errors import PassphraseMissing
from media.passphrase import AskPassphrase, Passphrase


def _no_pin() -> Passphrase:
    raise PassphraseMissing("A token needs a PIN, and none was given.", remedy="Give --pin-file FILE or --pin-fd N.")


class Unlock:
    """The secrets of one command."""

    __slots__ = ("_ask_passphrase", "_ask_pin", "_passphrase", "_pin", "module")

    def __init__(
        self, ask_passphrase: AskPassphrase, ask_pin: AskPassphrase = _no_pin, module: Path | None = None
    ) -> None:
        self._ask_passphrase, self._ask_pin, self.module = ask_passphrase, ask_pin, module
        self._passphrase: Passphrase | None = None
        self._pin: Passphrase | None = None

    def passphrase(self) -> Passphrase:
        if self._passphrase is None:
            self._passphrase = self._ask_passphrase()
        return self._passphrase

    def pin(self) -> Passphrase:
        if self._pin is None:
            self._pin = self._ask_pin()
        return self._pin

    def __repr__(self) -> str:
        return "Unlock(…)"
