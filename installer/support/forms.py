"""The forms that a value may have to leave this host (pure): whatever has none of them stays.

Free text has no form. A name that looks like an address of a person's mail, or like a key, is not taken for a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

Form = Callable[[object], object | None]
"""Gives the value as it may leave, or None."""

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+#-]{0,127}")
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)?")
_DIGEST: Final = re.compile(r"(sha256:)?[0-9a-f]{64}")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}")
_ADDRESS: Final = re.compile(r"[0-9a-fA-F.:/]{2,50}")
_PATH: Final = re.compile(r"/[A-Za-z0-9._/-]{0,200}")
_URL: Final = re.compile(
    r"(?P<scheme>https?)://([^/?#@\s]*@)?(?P<host>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?P<port>:\d{1,5})?([/?#]\S*)?"
)
_KEY_PREFIXES: Final = re.compile(
    r"(?i)(sk|ao|pk|key|token|bearer|gsk|hf|xai|ghp|akia|aiza|eyj)[-_]?[A-Za-z0-9_+/=.-]{16,}"
)
_LONG_MIXED: Final = re.compile(r"[A-Za-z0-9_+/=]{20,}")


def looks_secret(text: str) -> bool:
    """Whether it could be a key: by the beginnings that keys have, or a long run of letters and digits mixed."""
    if _KEY_PREFIXES.search(text):
        return True
    return any(re.search(r"\d", run) and re.search(r"[A-Za-z]", run) for run in _LONG_MIXED.findall(text))


def number(value: object) -> object | None:
    return value if isinstance(value, int | float) else None


def code(value: object) -> object | None:
    """A word of the product's own: a rung, an error code, an edition."""
    return _text(value, _CODE)


def name(value: object) -> object | None:
    """A name that the config gives: an alias, a deployment, a tag, a site's id."""
    return _text(value, _NAME)


def time(value: object) -> object | None:
    return _fitting(value, _TIME)


def digest(value: object) -> object | None:
    return _fitting(value, _DIGEST)


def version(value: object) -> object | None:
    return _text(value, _VERSION)


def address(value: object) -> object | None:
    """An address or network in numbers."""
    return _fitting(value, _ADDRESS)


def path(value: object) -> object | None:
    return None if isinstance(value, str) and looks_secret(value) else _fitting(value, _PATH)


def origin(value: object) -> object | None:
    """Of a URL the scheme, host and port: a path or a query may hold a key, and what stands before an @ does."""
    found = _URL.fullmatch(value) if isinstance(value, str) else None
    if found is None or looks_secret(found["host"]):
        return None
    return f"{found['scheme']}://{found['host']}{found['port'] or ''}"


def where_a_key_comes_from(value: object) -> object | None:
    """Of a provider's key only this."""
    if not isinstance(value, str):
        return None
    if re.fullmatch(r"\$\{[A-Z][A-Z0-9_]{0,63}\}", value):
        return "from the host"
    return "sealed" if value.startswith("sealed:") else "in the config"


def _text(value: object, form: re.Pattern[str]) -> object | None:
    return None if isinstance(value, str) and looks_secret(value) else _fitting(value, form)


def _fitting(value: object, form: re.Pattern[str]) -> object | None:
    return value if isinstance(value, str) and form.fullmatch(value) else None
