"""Tries: integers beyond 64 bits, of a hundred thousand digits to cost time, or just beyond what is counted in.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import around, refuses, under


@pytest.mark.parametrize(
    "number", ["9" * 100_000, "18446744073709551616", "9223372036854775808", "-9223372036854775809"]
)
def test_it_is_no_number_of_ours(number: str) -> None:
    refuses(around('"payload":', f'"x":{number},"payload":'))
    refuses(under('"rpm":3000', f'"rpm":{number}'))
