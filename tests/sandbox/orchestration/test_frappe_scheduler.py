"""A tick starts nothing while Frappe's scheduler still does the task."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.schedules.frappe_scheduler import ASK_TAG
from erp_medusa_sandbox.faults import Fault
from tests.support.operations import Clock, Daemon, our_daemon
from tests.support.servers import ErpServer

TASK = "fetch_clearance_items"
SCHEDULE = f"{TASK}_schedule"
ROW = f"api.{TASK}"
ASSET = "expiring_items"
SLOT = datetime(2026, 3, 3, 21, 0, tzinfo=UTC)
"""01:00 in Muscat."""


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, erp: ErpServer, tmp_path: Path) -> Iterator[Daemon]:
    erp.store.set("System Settings", "", time_zone="Asia/Muscat", enable_scheduler=1)
    with our_daemon(tmp_path) as made:
        yield made


def frappe_has(erp: ErpServer, **values: object) -> None:
    job = {"method": f"medusa_integration.{ROW}", "frequency": "Cron", "cron_format": "0 1 * * *", **values}
    erp.store.insert("Scheduled Job Type", name=ROW, **job)


def test_it_is_frappes_until_the_job_is_stopped(daemon: Daemon, erp: ErpServer) -> None:
    frappe_has(erp, stopped=0)
    runs, reason = daemon.schedule(SCHEDULE, SLOT)
    assert not runs
    assert ROW in reason
    assert "erp-medusa take-over" in reason
    erp.store.set("Scheduled Job Type", ROW, stopped=1)
    runs, _ = daemon.schedule(SCHEDULE, SLOT)
    assert len(runs) == 1


@pytest.mark.parametrize(("last_execution", "started"), [("2026-03-04 00:59:59", 1), ("2026-03-04 01:00:07", 0)])
@pytest.mark.long
def test_a_slot_that_frappe_did_before_it_was_stopped_is_not_done_again(
    daemon: Daemon, erp: ErpServer, last_execution: str, started: int
) -> None:
    frappe_has(erp, stopped=1, last_execution=last_execution)
    runs, _ = daemon.schedule(SCHEDULE, SLOT)
    assert len(runs) == started


def test_without_the_app_or_with_frappes_scheduler_off_it_is_ours(daemon: Daemon, erp: ErpServer) -> None:
    assert len(daemon.schedule(SCHEDULE, SLOT)[0]) == 1
    frappe_has(erp, stopped=0)
    erp.store.set("System Settings", "", enable_scheduler=0)
    assert len(daemon.schedule(SCHEDULE, SLOT)[0]) == 1


@pytest.mark.long
def test_where_it_cannot_be_asked_the_run_starts_and_meets_the_same_trouble(daemon: Daemon, erp: ErpServer) -> None:
    frappe_has(erp, stopped=0)
    erp.faults.add(Fault("status", path="Scheduled", status=503))
    ((request,), _) = daemon.schedule(SCHEDULE, SLOT)
    assert ASK_TAG in request.tags
    erp.faults.heal()
    tags = {**request.tags, "dagster/schedule_name": SCHEDULE}
    run = daemon.runner.assets([ASSET], tags=tags)
    assert not run.success
    assert "Frappe's scheduler does fetch_clearance_items" in run.failure_text(ASSET)
    erp.store.set("Scheduled Job Type", ROW, stopped=1)
    assert daemon.runner.assets([ASSET], tags=tags).success


@pytest.mark.long
def test_a_run_by_hand_while_frappe_does_the_task_goes_ahead_unless_frappe_got_it_back(
    daemon: Daemon, erp: ErpServer
) -> None:
    """Trying it by hand comes before a take-over; a run that waited until the hand-back was over comes too late."""
    frappe_has(erp, stopped=0, modified="2026-01-01 00:00:00")
    assert daemon.runner.assets([ASSET], tags={ASK_TAG: "yes"}).success
    erp.store.set("Scheduled Job Type", ROW, modified="2126-01-01 00:00:00")
    assert not daemon.runner.assets([ASSET], tags={ASK_TAG: "yes"}).success


def test_a_retry_after_a_hand_back_is_frappes(daemon: Daemon, erp: ErpServer) -> None:
    failed = daemon.created(TASK, status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(failed)
    frappe_has(erp, stopped=0)
    patience = 3600
    with pytest.MonkeyPatch.context() as patch:
        Clock(patch).advance(seconds=patience)
        requests, why = daemon.sensor("retry_failed_partitions")
        assert not requests
        assert "Frappe's scheduler does this" in why
        erp.store.set("Scheduled Job Type", ROW, stopped=1)
        assert len(daemon.sensor("retry_failed_partitions")[0]) == 1


def test_a_tick_asks_once(daemon: Daemon, erp: ErpServer) -> None:
    frappe_has(erp, stopped=1)
    daemon.schedule(SCHEDULE, SLOT)
    erp.faults.forget_requests()
    daemon.schedule(SCHEDULE, SLOT)
    assert [seen.path for seen in erp.faults.requests] == ["/api/resource/Scheduled Job Type"]


def test_a_task_that_the_app_never_had_is_ours_without_asking(daemon: Daemon, erp: ErpServer) -> None:
    frappe_has(erp, stopped=0)
    runs, _ = daemon.schedule("find_orphaned_products_schedule", SLOT)
    assert len(runs) == 1
    assert not [seen for seen in erp.faults.requests if "Scheduled Job Type" in seen.path]
