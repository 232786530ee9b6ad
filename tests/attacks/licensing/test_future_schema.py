"""Tries: a body that asks to be read by rules that this release does not have.

Meets: `document_kind`.
"""

from __future__ import annotations

import pytest

from licensing.errors import Refusal
from tests.attacks.licensing.hostile import import_licence, licence_file, meets


@pytest.mark.parametrize("schema", [0, 2, "1", True, None, [1]])
def test_only_the_known_schema_is_read(schema: object) -> None:
    with pytest.raises(Refusal) as caught:
        import_licence(licence_file(schema=schema))
    assert caught.value.code in {"document_kind", "document_malformed"}


def test_the_next_schema_says_so() -> None:
    with meets("document_kind"):
        import_licence(licence_file(schema=2))
