"""The shipped alerts: they are about metrics that exist, and fire when they should."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from prefsvc import metrics
from prefsvc.standing import SenderState

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = FOLDER / "prefsvc.rules.yml"
TESTS = FOLDER / "prefsvc.rules.test.yml"
NAME = r"prefsvc_[a-z_]+"


def alerts():
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exposed():
    """Return every metric under the names that Prometheus reads, with its labels."""
    found = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    return {
        family.name + ("_total" if family.type == "counter" else ""): set(one._labelnames)
        for one in found
        for family in one.describe()
    }


def test_every_metric_and_label_in_a_rule_exists():
    labels = exposed()
    for alert in alerts():
        names = re.findall(NAME, alert["expr"])
        assert set(names) <= set(labels), alert["alert"]
        known = set().union(*(labels[name] for name in names))
        for selected in re.findall(NAME + r"\{([^}]*(?:\}[^}]*)?)\}", alert["expr"]):
            assert set(re.findall(r"(\w+)\s*[!=]~?", selected)) <= known, alert["alert"]
        for grouped in re.findall(r"by \(([^)]*)\)", alert["expr"]):
            assert {one.strip() for one in grouped.split(",")} <= known, alert["alert"]


def test_states_in_rules_are_states_of_senders():
    for alert in alerts():
        for states in re.findall(r'state=~?"([^"]*)"', alert["expr"]):
            assert set(states.split("|")) <= set(get_args(SenderState)), alert["alert"]


def test_every_alert_says_what_happened_and_what_to_do():
    names = [alert["alert"] for alert in alerts()]
    assert len(names) == len(set(names))
    for alert in alerts():
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(alert["annotations"]) == {"summary", "description", "runbook"}
        assert all(text.strip() for text in alert["annotations"].values())


def test_every_state_but_clear_has_an_alert():
    text = " ".join(alert["expr"] for alert in alerts())
    assert all(f'"{state}"' in text for state in get_args(SenderState) if state != "clear")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("check", [["check", "rules", RULES], ["test", "rules", TESTS]])
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(check):
    done = subprocess.run(
        ["promtool", *check], check=False, capture_output=True, text=True, cwd=FOLDER
    )
    assert done.returncode == 0, done.stdout + done.stderr
