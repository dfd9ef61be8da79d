"""Alert rules and dashboard speak of metrics that exist, and the rules are as their own tests say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.serve.state import PageState
from quotebus.bus.tap.message_reader import ReceivedFrame
from tests.support.samples import COUNTERS, HEALTH, QUOTE, RECORDER, REPORT, STATUS, UTC_NS

FOLDER = Path(__file__).resolve().parents[2] / "docs/monitoring"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
PROMTOOL = shutil.which("promtool")
NAME = re.compile(r"\bquotebus_[a-z_]+")


def exposed() -> set[str]:
    """Every series that there can be, with the endings of histograms."""
    from quotebus.bus.serve.metrics import render_metrics

    state = PageState("tcp://127.0.0.1:5571", UTC_NS)
    events = (HEALTH, STATUS, QUOTE, COUNTERS, REPORT, RECORDER)
    state.take([ReceivedFrame(codec.encode(event), UTC_NS + NS_PER_MS) for event in events])
    text = render_metrics(state, state.look(UTC_NS + NS_PER_MS, True), 0, 0).decode()
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")} | {
        line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")
    }


def test_rules_and_panels_name_only_metrics_that_exist() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name for text in [*expressions, *(rule["expr"] for rule in RULES)] for name in NAME.findall(text)}
    assert len(used) > 15
    assert used <= exposed()


def test_every_rule_says_what_is_wrong_and_where_to_look() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 10
    for rule in RULES:
        assert rule["alert"].startswith("Quotebus")
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "description"} <= rule["annotations"].keys()


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool: apt-get install prometheus")
@pytest.mark.parametrize("words", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]])
def test_promtool_agrees(words: list[str]) -> None:
    done = subprocess.run([str(PROMTOOL), *words], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
