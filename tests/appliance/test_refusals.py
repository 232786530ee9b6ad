"""One tree of refusals for the whole product, drawn in the modules that make it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import appliance.admin_api.errors
import appliance.boot
import appliance.cli.main
import appliance.errors
import licensing.errors
import licensing.ratchet
import media.errors
from appliance.admin_api.errors import AdminRefusal
from appliance.errors import ApplianceError, LicenceRefused
from appliance.gateway.errors import GatewayRefusal, UpstreamDown, UpstreamMisconfigured, UpstreamUnreachable
from installer.errors import ReleaseRefused
from licensing.errors import Refusal
from licensing.standing import TERMS, Rung, Standing

COMMANDS = appliance.cli.main.main
DRAWN = re.compile(r"── (\w+) +(\d+)(?:-\d+)? ")


def below(root: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in root.__subclasses__():
        if ".vendor" not in each.__module__:
            yield each
            yield from below(each)


EVERY = list(below(Refusal))
LEAVES = [each for each in EVERY if not each.__subclasses__()]
HOST = [each for each in below(ApplianceError) if not issubclass(each, GatewayRefusal | AdminRefusal)]


def test_the_appliances_tree_is_drawn_as_it_is() -> None:
    drawn = dict(DRAWN.findall(appliance.errors.__doc__ or ""))
    assert drawn.pop("LicenceRefused") == "20"
    assert drawn == {each.__name__: str(each.exit_code) for each in HOST if each is not LicenceRefused}


@pytest.mark.parametrize("module", [licensing.errors, media.errors])
def test_the_trees_below_are_drawn_as_they_are(module: object) -> None:
    drawn = dict(DRAWN.findall(getattr(module, "__doc__", "") or ""))
    package = getattr(module, "__name__", "").split(".")[0]
    classes = {each for each in LEAVES if each.__module__.split(".")[0] == package}
    assert drawn == {each.__name__: str(each.exit_code) for each in classes}


def test_what_the_admin_api_says_is_drawn_as_it_is() -> None:
    drawn = dict(DRAWN.findall(appliance.admin_api.errors.__doc__ or ""))
    assert drawn == {each.__name__: str(each.http_status) for each in below(AdminRefusal)}


TOLD_AS_THEIR_PARENT = (UpstreamUnreachable, UpstreamMisconfigured)
"""Kinds that only the routing tells apart: to an app they are the same."""


def test_every_code_is_one_refusals() -> None:
    # A refused licence takes the code of its rung, a refusal of the installed release's own command is told as it was.
    taken = (LicenceRefused, ReleaseRefused)
    codes = [each.code for each in EVERY if each not in taken and each not in TOLD_AS_THEIR_PARENT]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)
    assert {each.code for each in TOLD_AS_THEIR_PARENT} == {UpstreamDown.code}


def test_every_exit_code_is_one_refusals() -> None:
    at_a_terminal = [each for each in LEAVES if not issubclass(each, GatewayRefusal | AdminRefusal)]
    told = [each for each in at_a_terminal if each not in (LicenceRefused, ReleaseRefused)]
    numbers = [each.exit_code for each in told]
    assert sorted(numbers) == sorted(set(numbers))
    assert not [each for each in told if each.exit_code in (0, 1, 2)]


def test_rungs_have_exit_codes_of_their_own_and_lend_them_to_the_refusal() -> None:
    refusing = [rung for rung in Rung if not TERMS[rung].serves]
    numbers = [TERMS[rung].exit_code for rung in refusing]
    assert len(set(numbers)) == len(numbers)
    for rung in refusing:
        refusal = LicenceRefused(Standing(rung, "It is so."))
        terms = TERMS[rung]
        assert (refusal.exit_code, refusal.http_status, refusal.remedy) == (
            terms.exit_code,
            terms.http_status,
            terms.remedy,
        )
    assert len({LicenceRefused(Standing(rung, "x")).code for rung in refusing}) == len(refusing)


@pytest.mark.parametrize("leaf", HOST, ids=lambda leaf: str(leaf.__name__))
def test_every_refusal_of_the_host_says_what_to_do_next(leaf: type[Refusal]) -> None:
    if leaf is not LicenceRefused:
        assert leaf.default_remedy != Refusal.default_remedy


def test_every_answer_of_the_gateway_has_a_status_of_its_kind() -> None:
    for each in below(GatewayRefusal):
        assert 400 <= each.http_status <= 504
        assert re.fullmatch(r"[a-z_]+", each.kind)  # type: ignore[attr-defined]


def test_the_ranges_that_the_command_promises_hold() -> None:
    promised = COMMANDS.help or ""
    for each in LEAVES:
        if issubclass(each, GatewayRefusal | AdminRefusal) or each is LicenceRefused:
            continue
        ranges = [tuple(map(int, pair)) for pair in re.findall(r"(\d\d+)-(\d\d+)", promised)]
        assert any(low <= each.exit_code <= high for low, high in ranges), each
