"""What is waited for before serving, and what ends it at once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from appliance.errors import (
    AlreadyServing,
    ConfigMissing,
    NotInitialised,
    PortTaken,
    SecretMissing,
    SettingsRefused,
    StateDamaged,
    StateUnwritable,
)
from appliance.waiting import LOOK_SECONDS, wait_until
from licensing.errors import Refusal


def attempts(*outcomes: Refusal | None) -> Callable[[], None]:
    left = list(outcomes)

    def attempt() -> None:
        if (refusal := left.pop(0)) is not None:
            raise refusal

    return attempt


def test_it_waits_until_nothing_is_refused_and_says_each_new_reason_once(caplog: pytest.LogCaptureFixture) -> None:
    paused: list[float] = []
    reasons = [NotInitialised("No site."), NotInitialised("No site."), ConfigMissing("No config."), None]
    with caplog.at_level(logging.WARNING):
        assert wait_until(attempts(*reasons), stopped=lambda: False, pause=paused.append)
    assert paused == [LOOK_SECONDS] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "not serving yet: No site. [not_initialised] Run: ao init --site ID --name NAME --trust trust.json",
        "not serving yet: No config. [config_missing] Import a signed config: ao config import FILE.",
    ]


def test_whoever_asks_to_stop_is_not_kept_waiting() -> None:
    asked: list[float] = []
    refused = attempts(SecretMissing("No secret."), SecretMissing("No secret."))
    assert not wait_until(refused, stopped=lambda: bool(asked), pause=asked.append)
    assert len(asked) == 1


@pytest.mark.parametrize("fatal", [SettingsRefused, StateUnwritable, PortTaken, AlreadyServing])
def test_what_no_import_mends_ends_it(fatal: type[Refusal]) -> None:
    with pytest.raises(fatal):
        wait_until(attempts(NotInitialised("x"), fatal("y")), stopped=lambda: False, pause=lambda _: None)


def test_a_state_that_is_to_be_restored_is_waited_for() -> None:
    assert wait_until(attempts(StateDamaged("x"), None), stopped=lambda: False, pause=lambda _: None)
