"""Tries: a NUL or a turned reading direction in a name that people read.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import refuses, under


@pytest.mark.parametrize("escape", ["\\u0000", "\\u202e", "\\u001b", "\\u2028", "\\u0085"])
def test_a_name_is_one_visible_line(escape: str) -> None:
    refuses(under('"customer":"', f'"customer":"{escape}'))
