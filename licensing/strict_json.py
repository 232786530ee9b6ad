"""JSON with one meaning only: what two readers could understand differently is refused.

Refuses duplicate members, NaN and infinities, numbers with a fraction or exponent, integers beyond 64 bits, lone
surrogates, a byte order mark, trailing bytes, and nesting deeper than the parser's bound. (RFC 8259, and I-JSON RFC
7493.)"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from licensing.errors import Malformed

_INTEGER_LIMIT = 2**63 - 1
_DIGITS_LIMIT = 20


def load_object(data: bytes) -> dict[str, Any]:
    """The object that these bytes spell. Raises Malformed."""
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_no_fraction,
            parse_constant=_no_constant,
        )
        if "\\u" in text:
            # An escape is the only way a lone surrogate gets past the UTF-8 decoder.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError as exc:
        raise Malformed("The text is not valid UTF-8.") from exc
    except RecursionError as exc:
        raise Malformed("The JSON is nested too deeply.") from exc
    except json.JSONDecodeError as exc:
        raise Malformed(f"The JSON is broken: {exc.msg}.", where=f"line {exc.lineno}, column {exc.colno}") from exc
    if not isinstance(value, dict):
        raise Malformed("The document is not a JSON object.")
    return value


def canonical(value: Any) -> bytes:
    """The one spelling that this product writes: members sorted, no white space, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"The JSON has the member {twice[:40]!r} twice.")
    return members


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS_LIMIT or abs(int(digits)) > _INTEGER_LIMIT:
        raise Malformed("The JSON has an integer beyond 64 bits.")
    return int(digits)


def _no_fraction(digits: str) -> NoReturn:
    raise Malformed(f"The JSON has the number {digits[:40]!r}; only whole numbers are used.")


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"The JSON has {name}, which is not a number.")
