"""Administrators' passwords: what may be one, and its Argon2id hash.

A hash holds its own parameters, so that those of a later release can be higher: one that is older is made anew at the
next sign-in. What may be a password follows NIST SP 800-63B: length counts, nothing is asked of its characters, what is
guessed first is refused.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from nacl.exceptions import CryptoError, InvalidkeyError
from nacl.pwhash import argon2id

from appliance.errors import AdministratorRefused, StateDamaged

SHORTEST = 12
LONGEST_BYTES = 1024
_PARAMETERS: Final = re.compile(r"\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,3}),p=1\$")


_LEET: Final = str.maketrans("@4310$5!7", "aaeiossit")
"""Digits and signs that people put for letters."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Passes over the memory, and how much of it in bytes."""

    passes: int
    memory: int


MODERATE: Final = Cost(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE)
"""libsodium's middle step: 256 MiB and three passes, most of a second on a core of these hosts."""


def hashed(password: str, cost: Cost = MODERATE) -> str:
    """With a salt of its own, and its parameters."""
    return argon2id.str(_bytes(password), opslimit=cost.passes, memlimit=cost.memory).decode("ascii")


def is_password(stored: str, password: str) -> bool:
    """Raises StateDamaged for what is no hash. It costs the same whether or not it fits."""
    cost_of(stored)
    try:
        return bool(argon2id.verify(stored.encode("ascii"), _bytes(password)))
    except InvalidkeyError:
        return False
    except (CryptoError, UnicodeEncodeError) as exc:
        raise StateDamaged("A stored password hash cannot be read.") from exc


def cost_of(stored: str) -> Cost:
    """Raises StateDamaged."""
    found = _PARAMETERS.match(stored)
    if found is None:
        raise StateDamaged("A stored password hash cannot be read.")
    return Cost(int(found[2]), int(found[1]) * 1024)


def is_behind(stored: str, cost: Cost) -> bool:
    """Whether it was made with less than is asked now."""
    of = cost_of(stored)
    return of.passes < cost.passes or of.memory < cost.memory


def require_good(password: str, name: str) -> None:
    """Raises AdministratorRefused for what is short, guessed first, or made of the administrator's own name."""
    told = unicodedata.normalize("NFKC", password)
    if len(told) < SHORTEST:
        raise AdministratorRefused(
            f"A password has at least {SHORTEST} characters; this one has {len(told)}.",
            remedy="Take four words that have nothing to do with each other.",
        )
    if len(_bytes(password)) > LONGEST_BYTES:
        raise AdministratorRefused(f"A password has at most {LONGEST_BYTES} bytes.")
    plain = _letters(told)
    if len(set(plain)) < 5 or _is_made_of_common(told):
        raise AdministratorRefused("This password is among those that are guessed first.", remedy="Choose another.")
    if len(name) > 2 and _letters(name) in plain:
        raise AdministratorRefused("The password holds the administrator's name.", remedy="Choose another.")


@cache
def common() -> frozenset[str]:
    """What those passwords are made of that are tried before all others."""
    text = (resources.files("appliance.access") / "common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(_letters(line) for line in text.splitlines() if line and not line.startswith("#"))


def _is_made_of_common(text: str) -> bool:
    """Whether it is nothing but common words, digits and signs, one after another."""
    plain = text.casefold()
    as_letters = plain.translate(_LEET)
    reached = {0}
    for end in range(1, len(plain) + 1):
        if (end - 1 in reached and not plain[end - 1].isalpha()) or any(
            end - len(word) in reached
            and (plain.startswith(word, end - len(word)) or as_letters.startswith(word, end - len(word)))
            for word in common()
        ):
            reached.add(end)
    return len(plain) in reached


def _letters(text: str) -> str:
    return "".join(each for each in text.casefold() if each.isalnum())


def _bytes(password: str) -> bytes:
    """The same characters are the same bytes, however a keyboard composed them."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogateescape")
