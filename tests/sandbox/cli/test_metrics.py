"""Metrics as Prometheus reads them, and the dashboard that shows them."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from erp_medusa_pipelines.orchestration.metrics import Metrics, queues
from erp_medusa_pipelines.orchestration.runs.work import active_runs
from erp_medusa_pipelines.orchestration.schedules.gates import reason_to_skip
from erp_medusa_pipelines.tasks import TASKS, task_named
from tests.sandbox.cli.conftest import Command
from tests.sandbox.plan.test_plans import EXPORT, Shop
from tests.support.catalogue import Catalogue
from tests.support.metrics import served_metrics
from tests.support.operations import our_daemon
from tests.support.servers import ErpServer, MedusaServer

ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
NAME = re.compile(r"erp_medusa_\w+")

Samples = dict[tuple[str, frozenset[str]], float]


@pytest.fixture
def shop(erp: ErpServer, medusa: MedusaServer) -> Shop:
    """An empty shop."""
    return Shop(Catalogue(erp.store), erp, medusa)


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    """Where the command serves metrics of the installation at `home`."""
    with served_metrics() as served:
        yield served


def scrape(address: str) -> Samples:
    """The samples, by name and the values of the labels."""
    answer = requests.get(address, timeout=30)
    answer.raise_for_status()
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.long
def test_a_run_is_counted_once_and_what_waits_is_seen(
    erp_medusa: Command, shop: Shop, home: Path, address: str
) -> None:
    def value(name: str, *labels: str) -> float:
        return seen[f"erp_medusa_{name}", frozenset(labels)]

    seen = scrape(address)
    assert value("items_total", EXPORT, "medusa_products", "written") == 0
    good, free = shop.item(), shop.item(rate=0)
    plan = home / "plan.json"
    erp_medusa("plan", EXPORT, "--batch", "0", "--out", str(plan))
    applied = erp_medusa("apply", "--plan", str(plan))
    assert applied.code == 0, applied.data
    assert shop.product_of(good)
    assert shop.product_of(free)
    assert scrape(address)["erp_medusa_rejects", frozenset({"medusa_prices"})] == 1
    # While this one waits the check on rejects has no result.
    with our_daemon(home) as daemon:
        daemon.queued(EXPORT, "batch_0")
    for _ in range(2):
        seen = scrape(address)
        assert value("items_total", EXPORT, "medusa_products", "written") == 2
        assert value("items_total", "sync_missing_prices_to_medusa", "medusa_prices", "rejected") == 1
        assert value("materializations_total", "update_webitem_stock", "medusa_stock") == 1
        assert value("requests_total", EXPORT, "medusa_products") > 0
        assert value("work_seconds_total", EXPORT, "medusa_products") > 0
        assert value("rejects", "medusa_prices") == 1
        assert value("queued_runs", EXPORT) == 1
        assert value("queue_age_seconds", EXPORT) >= 0
        assert value("active_runs", EXPORT) == 0
        assert value("runs_last_day", EXPORT, "success") == 1
        assert value("last_success_timestamp_seconds", EXPORT) > 0
        assert value("last_success_seconds", EXPORT) > 0
    described = set(NAME.findall(PAGE.partition("## metrics")[2].partition("\n## ")[0]))
    assert described == {name for name, _ in seen}
    drawn = {
        name for panel in DASHBOARD["panels"] for target in panel["targets"] for name in NAME.findall(target["expr"])
    }
    assert drawn <= described, "a panel asks for a metric that does not exist"
    assert drawn == described, "a metric is on no panel"
    assert {task.name for task in TASKS} == {
        label for (name, labels) in seen if name == "erp_medusa_queued_runs" for label in labels
    }


@pytest.mark.long
def test_a_task_that_never_had_work_has_a_sample(home: Path, erp: ErpServer) -> None:
    with our_daemon(home) as daemon:
        assert reason_to_skip(task_named("expire_otps"), daemon.instance)
        found = {metric.name: metric for metric in Metrics(daemon.instance).collect()}
        assert not daemon.instance.get_runs()
    for name in ("erp_medusa_last_success_timestamp_seconds", "erp_medusa_last_success_seconds"):
        samples = {sample.labels["task"]: sample.value for sample in found[name].samples}
        assert set(samples) == {"expire_otps"}
    assert samples["expire_otps"] == 0


def test_a_queue_that_waits_since_yesterday_says_how_long(home: Path) -> None:
    with our_daemon(home) as daemon:
        daemon.queued(EXPORT, "batch_0")
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        ages = next(
            one for one in queues(active_runs(daemon.instance), tomorrow) if one.name == "erp_medusa_queue_age_seconds"
        )
    found = {sample.labels["task"]: sample.value for sample in ages.samples}
    assert found[EXPORT] == pytest.approx(86400, abs=60)
    assert found["expire_otps"] == 0


@pytest.mark.long
def test_without_an_installation_or_with_a_taken_port_it_says_so(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch, home: Path, address: str
) -> None:
    taken = address.rpartition(":")[2].partition("/")[0]
    assert "choose another --port" in erp_medusa("metrics", "--port", taken).data["error"]
    shop_env.delenv("DAGSTER_HOME")
    assert "DAGSTER_HOME" in erp_medusa("metrics").data["error"]
