"""A real Prometheus reads the metrics of an installation, and every panel of the dashboard has something to draw."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.deployment import ROOT, Deployment, deployed, wait_for
from erp_medusa_pipelines.tasks import TASKS
from tests.support.metrics import Prometheus, private_prometheus, served_metrics
from tests.support.nights import EXPORT

DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text(encoding="utf-8"))
# As Grafana fills them in: every task, and a range of four scrapes.
VARIABLES = {"$task": ".*", "$__rate_interval": "4s"}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Deployment]:
    with deployed(tmp_path) as deployment:
        yield deployment


@pytest.fixture
def prometheus(installation: Deployment, tmp_path: Path) -> Iterator[Prometheus]:
    with (
        served_metrics(installation.environment) as address,
        private_prometheus(tmp_path / "prometheus", address) as running,
    ):
        yield running


def queries(panel: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Each query of a panel, and the labels that its legend names."""
    for target in panel["targets"]:
        expression = target["expr"]
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        yield expression, re.findall(r"{{(\w+)}}", target["legendFormat"])


def test_every_panel_has_something_to_draw(installation: Deployment, prometheus: Prometheus) -> None:
    ended = installation.ended(installation.launch(EXPORT, "batch_0"))
    assert ended.status == "SUCCESS", ended.messages
    requests_made = f'sum(increase(erp_medusa_requests_total{{task="{EXPORT}"}}[1h])) > 0'
    wait_for("the night in Prometheus", lambda: prometheus.query(requests_made), 60)
    for panel in DASHBOARD["panels"]:
        for expression, labels in queries(panel):
            series = prometheus.query(expression)
            assert series, f"{panel['title']}: {expression} finds nothing"
            assert all(set(labels) <= set(one["metric"]) for one in series), (
                f"{panel['title']}: {labels} in {series[0]}"
            )
            assert len({tuple(one["metric"].get(name) for name in labels) for one in series}) == len(series), (
                f"{panel['title']}: two lines have one name"
            )
    written = prometheus.query(f'increase(erp_medusa_items_total{{task="{EXPORT}",outcome="written"}}[1h])')
    assert sum(float(one["value"][1]) for one in written) > 0
    assert set(prometheus.values_of_label("erp_medusa_queued_runs", "task")) == {task.name for task in TASKS}
