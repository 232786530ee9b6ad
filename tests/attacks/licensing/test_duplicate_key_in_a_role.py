"""Tries: a role that lists one key twice, so that one person makes two signatures.

Meets: `document_malformed`.
"""

from __future__ import annotations

from licensing.trust import pin
from tests.attacks.licensing.hostile import licence_file, meets, refuses, trust_file
from tests.licensing.documents import ROLE_KEYS, key, trust_members


def test_it_is_no_trust_document() -> None:
    with meets("document_malformed"):
        pin(trust_file("root-1", "root-2", role_keys=dict(ROLE_KEYS) | {"config": ("officer-1", "officer-1")}))


def test_nor_may_a_delegation_list_an_officer_twice() -> None:
    record = trust_members()["keys"][key("officer-1").keyid]
    twice = {"keys": [record, record], "threshold": 2, "epoch": 1}
    refuses(licence_file(config_delegation=twice))
