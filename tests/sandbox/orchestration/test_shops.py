"""What several shops keep in one instance: each reads its own alone, and one shop's is where it always was."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.test_utils import create_run_for_test
from prometheus_client import CollectorRegistry

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.history import History
from erp_medusa_pipelines.orchestration.metrics import Metrics
from erp_medusa_pipelines.orchestration.schedules.execution_limits import ExecutionLimit
from erp_medusa_pipelines.plan.changes import Change

CHANGE = Change("ERPNext", "update", "Website Item", "WEB-ITM-0001", {"medusa_id": "prod_1"})
OTPS = "expire_otps"


def test_each_shop_has_a_history_that_another_ones_pruning_leaves_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/storage.db"
    for shop, run_id in ((None, "run-0"), ("muscat", "run-1"), ("salalah", "run-2")):
        log = History(url, shop).log_of(run_id, keep_days=30)
        log.add(CHANGE)
        log.flush()
    assert History(url, "muscat").prune(datetime.now(UTC) + timedelta(days=1)) == 1
    kept = {shop: [one.run_id for one in History(url, shop).of([CHANGE.key])] for shop in (None, "muscat", "salalah")}
    assert kept == {None: ["run-0"], "muscat": [], "salalah": ["run-2"]}
    # A history of one shop that was kept before there were several is found where it was.
    assert "erp_medusa_changes" in sa.inspect(sa.create_engine(url)).get_table_names()


def test_a_limit_that_a_shop_forgets_is_still_counted_in_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    limit, tick = ExecutionLimit(OTPS, 5), datetime(2026, 1, 1, tzinfo=UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        for shop in ("muscat", "salalah"):
            monkeypatch.setenv("SHOP_NAME", shop)
            limit.count(instance, tick)
        limit.reset(instance)
        assert limit.used(instance) == 0
        monkeypatch.setenv("SHOP_NAME", "muscat")
        assert limit.used(instance) == 1
        monkeypatch.delenv("SHOP_NAME")
        assert limit.used(instance) == 0
        assert state.load(instance, f"executions/{OTPS}", shop="muscat")["executions"] == 1


def test_metrics_count_the_runs_of_their_own_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for shop, status in (
            ("muscat", "STARTED"),
            ("muscat", "SUCCESS"),
            ("salalah", "STARTED"),
            ("salalah", "STARTED"),
        ):
            create_run_for_test(instance, job_name=OTPS, status=dg.DagsterRunStatus(status), tags={"shop": shop})
        found = {}
        for shop in ("muscat", "salalah"):
            monkeypatch.setenv("SHOP_NAME", shop)
            registry = CollectorRegistry()
            registry.register(Metrics(instance))
            found[shop] = (
                registry.get_sample_value("erp_medusa_active_runs", {"task": OTPS}),
                registry.get_sample_value("erp_medusa_runs_last_day", {"task": OTPS, "status": "success"}),
            )
        assert found == {"muscat": (1, 1), "salalah": (2, 0)}
