"""Tries: NaN, infinities and numbers that become infinite, in the envelope and as a cap.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import around, refuses, under


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1.5", "1e3", "-0.0"])
def test_only_whole_numbers_are_read(number: str) -> None:
    refuses(around('"payload":', f'"x":{number},"payload":'))
    refuses(under('"rpm":3000', f'"rpm":{number}'))


@pytest.mark.parametrize("cap", ["3000.0", '"3000"', "true", "[3000]"])
def test_nor_what_a_lenient_reader_would_turn_into_one(cap: str) -> None:
    refuses(under('"rpm":3000', f'"rpm":{cap}'))
