"""The example alerts and dashboard ask for metrics that exist, in the words of those who read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import appliance.observe
from appliance.observe.names import METRICS

EXAMPLES = Path(appliance.observe.__file__).parent / "examples"
_PART = re.compile(r"_(bucket|count|sum)$")


def expressions() -> list[str]:
    rules = yaml.safe_load((EXAMPLES / "alerts.yaml").read_text(encoding="utf-8"))
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((EXAMPLES / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return asked + [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_what_they_ask_for_exists_with_the_labels_they_use() -> None:
    for expression in expressions():
        names = set(re.findall(r"\bao_[a-z_]+", expression))
        metrics = [METRICS[name if name in METRICS else _PART.sub("", name)] for name in names]
        known = {label for metric in metrics for label in metric.labels} | {"instance", "job", "le"}
        used = set(re.findall(r"(\w+)=~?\"", expression))
        used |= {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
        assert used <= known, expression


def test_every_metric_that_tells_of_trouble_is_on_the_dashboard() -> None:
    everything = " ".join(expressions())
    missing = [name for name in METRICS if name not in everything]
    assert missing == ["ao_attempts_total", "ao_licence_rung", "ao_clock_ahead_of_floor_seconds", "ao_info"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt: prometheus)")
def test_prometheus_own_tool_accepts_the_alerts() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", EXAMPLES / "alerts.yaml"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
