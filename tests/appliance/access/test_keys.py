"""API keys are shown once, kept as a keyed hash, and end when they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from appliance.access.keys import NewKey, create_key, hash_of, keys_by_hash, list_keys, revoke_key
from appliance.errors import KeyRefused, KeyUnknown
from appliance.state.site import Site
from tests.appliance.papers import NOW, entropy
from tests.appliance.sites import make_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path / "state")
    yield made
    made.close()


def make(
    site: Site, name: str = "billing-bot", *, seed: str | None = None, expires_at: datetime | None = None
) -> NewKey:
    return create_key(
        site.database,
        hash_key=site.key.hash_key,
        name=name,
        org="hospital",
        team="ward-3",
        expires_at=expires_at,
        now=NOW,
        entropy=entropy(seed or name, 32),
    )


def test_a_key_is_found_by_its_keyed_hash(site: Site) -> None:
    made = make(site)
    known = keys_by_hash(site.database)
    assert known == {hash_of(made.secret.encode(), site.key.hash_key): made.key}
    assert hash_of(made.secret.encode(), bytes(32)) not in known
    assert made.secret.startswith("ao-")
    assert len(made.secret) == 3 + 43


def test_only_a_short_prefix_of_a_key_can_be_shown(site: Site) -> None:
    made = make(site)
    assert made.secret.startswith(made.key.prefix)
    assert len(made.key.prefix) == 11
    assert list_keys(site.database) == [made.key]


def test_a_secret_is_in_no_file_and_in_no_repr(site: Site) -> None:
    made = make(site)
    assert made.secret not in repr(made)
    assert made.secret not in repr(made.key)
    hidden = made.secret[len(made.key.prefix) :].encode()
    files = [file for file in site.folder.rglob("*") if file.is_file()]
    assert len(files) >= 3
    assert not [file for file in files if hidden in file.read_bytes()]


def test_a_key_ends_at_its_expiry(site: Site) -> None:
    end = NOW + timedelta(days=2)
    key = make(site, expires_at=end).key
    assert key.usable(end - timedelta(seconds=1))
    assert not key.usable(end)
    assert (key.state(NOW), key.state(end)) == ("active", "expired")
    assert list_keys(site.database)[0].expires_at == end


@pytest.mark.parametrize("when", [NOW, NOW - timedelta(days=1)])
def test_a_key_that_has_expired_already_is_not_made(site: Site, when: datetime) -> None:
    with pytest.raises(KeyRefused, match="expired"):
        make(site, expires_at=when)
    assert list_keys(site.database) == []


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "two\nlines", "a\x1b[31mred", "tab\t", "zero\u200bwidth", "right\u202eleft"]
)
def test_a_label_has_1_to_64_printable_characters(site: Site, name: str) -> None:
    with pytest.raises(KeyRefused, match="printable") as refused:
        make(site, name, seed="any")
    assert refused.value.where == "--name"


def test_anything_but_32_bytes_of_entropy_is_a_fault(site: Site) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        create_key(
            site.database, hash_key=bytes(32), name="x", org="x", team="x", expires_at=None, now=NOW, entropy=bytes(31)
        )


@pytest.mark.parametrize("by", ["id", "prefix", "name"])
def test_a_key_is_revoked_by_its_id_prefix_or_name(site: Site, by: str) -> None:
    made, other = make(site), make(site, "other")
    revoked, changed = revoke_key(site.database, getattr(made.key, by), NOW)
    assert (revoked.id, revoked.state(NOW), changed) == (made.key.id, "revoked", True)
    assert not revoked.usable(NOW)
    assert [key.id for key in list_keys(site.database) if key.usable(NOW)] == [other.key.id]


def test_revoking_twice_changes_nothing_and_keeps_the_first_date(site: Site) -> None:
    key = make(site).key
    first, _ = revoke_key(site.database, key.id, NOW)
    again, changed = revoke_key(site.database, key.id, NOW + timedelta(days=1))
    assert not changed
    assert again == first


def test_an_expired_key_that_is_revoked_is_called_revoked(site: Site) -> None:
    key = make(site, expires_at=NOW + timedelta(days=1)).key
    revoked, _ = revoke_key(site.database, key.id, NOW)
    assert revoked.state(NOW + timedelta(days=5)) == "revoked"


def test_a_name_of_two_living_keys_is_ambiguous(site: Site) -> None:
    first, second = make(site, seed="one"), make(site, seed="two")
    with pytest.raises(KeyRefused, match="2 keys"):
        revoke_key(site.database, "billing-bot", NOW)
    revoke_key(site.database, first.key.id, NOW)
    assert revoke_key(site.database, "billing-bot", NOW)[0].id == second.key.id


def test_an_id_is_never_ambiguous(site: Site) -> None:
    """A key may be called what another one's id is; the id still revokes the key that has it."""
    made = make(site)
    make(site, made.key.id)
    assert revoke_key(site.database, made.key.id, NOW)[0].id == made.key.id


def test_a_key_that_does_not_exist_is_unknown(site: Site) -> None:
    with pytest.raises(KeyUnknown):
        revoke_key(site.database, "nobody", NOW)
    with pytest.raises(KeyUnknown):
        revoke_key(site.database, "%", NOW)
