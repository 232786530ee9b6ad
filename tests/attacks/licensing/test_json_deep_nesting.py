"""Tries: nesting deep enough to exhaust the reader's stack, or just below its own limit.

Meets: `document_malformed`.
"""

from __future__ import annotations

import pytest

from tests.attacks.licensing.hostile import DEEP, around, refuses, under


@pytest.mark.parametrize("deep", [DEEP, b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900])
def test_it_is_refused_and_nothing_falls(deep: bytes) -> None:
    refuses(around(b'"payload":', b'"x":' + deep + b',"payload":'))
    refuses(under(b'"rpm":3000', b'"rpm":' + deep))
