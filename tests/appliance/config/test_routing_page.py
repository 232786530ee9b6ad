"""The configs on the page about routing are configs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.config.policy import CAUSES
from appliance.config.presets import PRESETS
from tests.appliance.config.test_model import read

PAGE = Path(__file__).resolve().parents[3] / "appliance" / "gateway" / "ROUTING.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_page_is_a_config(text: str) -> None:
    config = read(text)
    assert config.routing


def test_the_long_example_sets_what_the_page_says() -> None:
    policy = read(EXAMPLES[-1]).policy("chat")
    assert [chain.alias for chain in policy.chains] == ["chat-long"]
    assert (policy.pick, policy.all_resting, policy.when_full, policy.tell_header) == ("sticky", "refuse", "wait", True)


def test_every_cause_and_every_preset_is_on_the_page() -> None:
    page = PAGE.read_text()
    assert all(f"| `{cause}` |" in page for cause in CAUSES)
    assert all(f"| `{preset}` |" in page for preset in PRESETS)
