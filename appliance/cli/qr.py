"""A QR code made of characters, for an authenticator app to read off the terminal."""

from __future__ import annotations

from itertools import zip_longest

import segno

_QUIET = 2
_HALVES = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
"""Two rows of modules a line. Dark modules stay empty: a terminal is dark, and what is printed on it light."""


def qr_lines(text: str) -> list[str]:
    """Black on white where the terminal is light on dark."""
    code = segno.make(text, error="l", micro=False, boost_error=False)
    rows = [[bool(module) for module in row] for row in code.matrix_iter(border=_QUIET)]
    light = [False] * len(rows[0])
    return [
        "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip_longest(rows[::2], rows[1::2], fillvalue=light)
    ]
