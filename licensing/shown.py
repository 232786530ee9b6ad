"""Foreign text made fit for a person's eyes.

What `shown` returns is one line of visible characters: nothing in it moves a cursor, colours a terminal, turns the
reading direction or hides. It is for display only; it does not undo, and it is not an encoding.
"""

from __future__ import annotations

import re

ELLIPSIS = "…"

# Printable by Unicode's categories, yet drawn as nothing or as a blank: fillers, joiners, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def shown(text: str, limit: int = 120) -> str:
    """`text` as at most `limit` harmless characters, the last an ellipsis where something was left out.

    Controls (C0, C1, escape), marks of direction, zero-width characters, line and paragraph separators, odd spaces,
    private and unassigned characters, and lone surrogates (bytes of a file name that are not UTF-8) become a
    backslash escape. Text that needs none is returned as it is, so showing twice changes nothing.
    """
    pieces: list[str] = []
    length = 0
    # Each character takes one place or more, so nothing beyond `limit + 1` of them can matter.
    for character in text[: limit + 1]:
        piece = _visible(character)
        pieces.append(piece)
        length += len(piece)
    if length <= limit:
        return "".join(pieces)
    while pieces and length > limit - len(ELLIPSIS):
        length -= len(pieces.pop())
    return "".join(pieces) + ELLIPSIS


def _visible(character: str) -> str:
    # isprintable() is false for every control, format, surrogate, private, unassigned, separator and space but " ".
    if character.isprintable() and not _INVISIBLE.match(character):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
