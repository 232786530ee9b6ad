"""A sealed key opens at its own site, in its own place, as it was sealed; anywhere else not at all."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from nacl.public import PrivateKey, SealedBox

from appliance.config.model import Config, read_config
from appliance.config.sealed import MAX_KEY, PREFIX, DoesNotOpen, Place, is_clear, is_sealed, seal, unseal
from appliance.config.secrets import resolve_keys
from appliance.errors import ConfigRefused, SealRefused, SecretMissing
from appliance.providers.registry import known_needs
from licensing.config_header import header_of
from media.strict_yaml import load
from tests.appliance.papers import SITE, config_head
from tests.appliance.sites import no_secrets

OURS = PrivateKey(bytes(range(32)))
THEIRS = PrivateKey(bytes(range(1, 33)))
PUBLIC = bytes(OURS.public_key)
KEY = "sk-0123456789-the-real-one"
HERE = Place(SITE, "chat", "openai-compatible", "http://gpu-1/v1")

# Line breaks and the words of the head itself among them: what could make one place read as another.
WORDS = st.text(st.sampled_from("ab\n/:"), max_size=6) | st.sampled_from(["", "ao-sealed-key-1", "a\nb", "http://b/v1"])
PLACES = st.builds(Place, WORDS, WORDS, WORDS, st.none() | WORDS)
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def opens(box: bytes) -> bytes:
    opened: bytes = SealedBox(OURS).decrypt(box)
    return opened


def opens_elsewhere(box: bytes) -> bytes:
    opened: bytes = SealedBox(THEIRS).decrypt(box)
    return opened


@given(place=PLACES, key=KEYS)
def test_a_key_comes_back_where_it_was_sealed_or_is_not_sealed_at_all(place: Place, key: str) -> None:
    if any("\n" in part for part in (place.site, place.alias, place.provider, place.api_base or "")):
        with pytest.raises(ValueError, match="line break"):
            seal(key, place, PUBLIC)
        return
    assert unseal(seal(key, place, PUBLIC), place, opens) == key


@given(place=PLACES, other=PLACES, key=KEYS | st.text("ab\n/", max_size=8))
def test_in_no_other_place(place: Place, other: Place, key: str) -> None:
    def parts(each: Place) -> tuple[str, ...]:
        return each.site, each.alias, each.provider, each.api_base or ""

    assume(parts(place) != parts(other))
    try:
        value = seal(key, place, PUBLIC)
    except ValueError:
        return
    with pytest.raises((DoesNotOpen, ValueError)):
        unseal(value, other, opens)


@pytest.mark.parametrize(
    "moved",
    [
        Place("other-site", HERE.alias, HERE.provider, HERE.api_base),
        Place(HERE.site, "chat2", HERE.provider, HERE.api_base),
        Place(HERE.site, "Chat", HERE.provider, HERE.api_base),
        Place(HERE.site, HERE.alias, "demo", HERE.api_base),
        Place(HERE.site, HERE.alias, HERE.provider, "http://gpu-1/v1/x"),
        Place(HERE.site, HERE.alias, HERE.provider, "http://gpu-1/v"),
        Place(HERE.site, HERE.alias, HERE.provider, "https://gpu-1/v1"),
        Place(HERE.site, HERE.alias, HERE.provider, None),
    ],
)
def test_a_moved_value_does_not_open_and_tells_nothing_of_itself(moved: Place) -> None:
    with pytest.raises(DoesNotOpen) as refused:
        unseal(seal(KEY, HERE, PUBLIC), moved, opens)
    assert KEY not in str(refused.value)
    assert str(HERE.api_base) not in str(refused.value)


@given(data=st.data())
def test_one_changed_byte_and_it_does_not_open(data: st.DataObject) -> None:
    box = bytearray(base64.b64decode(seal(KEY, HERE, PUBLIC).removeprefix(PREFIX)))
    at = data.draw(st.integers(0, len(box) - 1))
    box[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DoesNotOpen):
        unseal(PREFIX + base64.b64encode(box).decode(), HERE, opens)


@given(cut=st.integers(0, 300))
def test_a_value_that_was_cut_does_not_open(cut: int) -> None:
    value = seal(KEY, HERE, PUBLIC)
    assume(cut < len(value) - len(PREFIX))
    with pytest.raises(DoesNotOpen):
        unseal(value[: len(PREFIX) + cut], HERE, opens)


@given(rubbish=st.text(max_size=60))
def test_rubbish_after_the_prefix_is_refused_and_nothing_else(rubbish: str) -> None:
    with pytest.raises(DoesNotOpen):
        unseal(PREFIX + rubbish, HERE, opens)


def test_it_opens_with_no_other_sites_key() -> None:
    with pytest.raises(DoesNotOpen):
        unseal(seal(KEY, HERE, PUBLIC), HERE, opens_elsewhere)


def test_the_same_key_sealed_twice_does_not_look_the_same() -> None:
    assert seal(KEY, HERE, PUBLIC) != seal(KEY, HERE, PUBLIC)


# -- as the config reads it --------------------------------------------------------------------------------------------


def read(provider: dict[str, str], alias: str = "chat") -> Config:
    text = config_head() + f"models:\n  - alias: {alias}\n    provider: {json.dumps(provider)}\n"
    document = load(text.encode())
    assert isinstance(document.value, dict)
    return read_config(document, header_of(document.value), known_needs())


def entry(api_key: str, base: str = "http://gpu-1/v1") -> dict[str, str]:
    return {"name": "openai-compatible", "model": "m", "api_base": base, "api_key": api_key}


def test_the_address_counts_as_it_is_called() -> None:
    value = seal(KEY, HERE, PUBLIC)
    for base in ("http://gpu-1/v1", "http://gpu-1/v1/"):
        [deployment] = read(entry(value, base)).deployments
        assert resolve_keys([deployment], no_secrets, SITE, opens) == {deployment.id: KEY}
    [deployment] = read(entry(value, "http://thief/v1")).deployments
    with pytest.raises(SealRefused) as refused:
        resolve_keys([deployment], no_secrets, SITE, opens)
    assert KEY not in str(refused.value)


def test_the_longest_key_that_can_be_sealed_can_be_read() -> None:
    place = Place("s" * 64, "a" * 128, "openai-compatible", "http://" + "h" * 1017)
    value = seal("k" * MAX_KEY, place, PUBLIC)
    assert read(entry(value)).deployments[0].api_key == value


@pytest.mark.parametrize("value", ["sealed:v2:AAAA", "sealed:", "sealed:V1:AAAA", "sealed:AAAA"])
def test_a_seal_of_another_kind_is_never_sent_as_a_key(value: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        read(entry(value))
    assert "models[0].provider.api_key" in str(refused.value.where)
    assert "AAAA" not in str(refused.value)


@pytest.mark.parametrize("within", ["", "a\nx-injected: 1", "sk-\u00e4", "sk-\x00"])
def test_what_no_header_can_carry_is_refused_from_within_a_seal_as_well(within: str) -> None:
    [deployment] = read(entry(seal(within, HERE, PUBLIC))).deployments
    with pytest.raises(SecretMissing) as refused:
        resolve_keys([deployment], no_secrets, SITE, opens)
    assert "x-injected" not in str(refused.value)


def test_what_counts_as_clear() -> None:
    assert is_clear("sk-x")
    assert not any(is_clear(each) for each in (None, "${NAME}", PREFIX + "AAAA"))
    assert is_sealed(PREFIX)
    assert not is_sealed("sk-x")
