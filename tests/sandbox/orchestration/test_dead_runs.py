"""A run whose process is gone is failed by Dagster's own run monitoring, at the instance file's settings."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from dev.deployment import wait_for
from erp_medusa_pipelines.orchestration import run_launcher
from erp_medusa_pipelines.orchestration.runs.process import Watcher, heartbeat, last_heartbeat, write_heartbeat
from tests.support.operations import Daemon
from tests.support.runs import Runner

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
JOB = "export_items_and_images_custom"
STARTED = dg.DagsterRunStatus.STARTED


class Seconds:
    """The watcher's clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Monitoring:
    """Dagster's run monitoring, which checks every ten seconds."""

    def __init__(self, workspace: WorkspaceProcessContext, clock: Seconds) -> None:
        self.workspace, self.clock = workspace, clock
        self.instance = workspace.instance

    def watch(self, seconds: int, *alive: dg.DagsterRun) -> None:
        for _ in range(seconds // 10):
            self.clock.now += 10
            for run in alive:
                write_heartbeat(self.instance, run)
            list(execute_run_monitoring_iteration(self.workspace, logging.getLogger("monitoring")))

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        found = self.instance.get_run_by_id(run.run_id)
        assert found
        return found.status


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    clock = Seconds()
    monkeypatch.setattr(run_launcher, "Watcher", lambda: Watcher(clock))
    return clock


@pytest.fixture
def monitoring(tmp_path: Path, shop_env: pytest.MonkeyPatch, clock: Seconds) -> Iterator[Monitoring]:
    shop_env.setenv("EXPORT_BATCHES", "2")
    shutil.copy(ROOT / "dagster.yaml", tmp_path / "dagster.yaml")
    with (
        dg.DagsterInstance.from_config(str(tmp_path)) as instance,
        create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as workspace,
    ):
        yield Monitoring(workspace, clock)


def started(monitoring: Monitoring, partition: str) -> dg.DagsterRun:
    runner = Runner()
    runner.instance = monitoring.instance
    run = Daemon(runner).created(JOB, partition, status=dg.DagsterRunStatus.STARTING)
    monitoring.instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id
    )
    assert monitoring.status(run) == STARTED
    return run


def test_a_run_without_signs_of_life_is_failed_and_the_others_go_on(monitoring: Monitoring) -> None:
    dead, alive = started(monitoring, "batch_0"), started(monitoring, "batch_1")
    write_heartbeat(monitoring.instance, dead)
    monitoring.watch(50, alive)
    assert monitoring.status(dead) == STARTED
    monitoring.watch(20, alive)
    assert monitoring.status(dead) == dg.DagsterRunStatus.FAILURE
    assert monitoring.status(alive) == STARTED
    messages = " ".join(entry.message for entry in monitoring.instance.all_logs(dead.run_id))
    assert "no heartbeat from its process for 60 s" in messages


def test_a_watcher_that_was_away_begins_to_watch_anew(monitoring: Monitoring, clock: Seconds) -> None:
    run = started(monitoring, "batch_0")
    write_heartbeat(monitoring.instance, run)
    monitoring.watch(20)
    clock.now += 600
    monitoring.watch(50)
    assert monitoring.status(run) == STARTED


def test_a_machine_so_busy_that_it_looks_once_a_minute_finds_it_all_the_same(
    monitoring: Monitoring, clock: Seconds
) -> None:
    dead, alive = started(monitoring, "batch_0"), started(monitoring, "batch_1")
    write_heartbeat(monitoring.instance, dead)
    for _ in range(5):
        clock.now += 50
        monitoring.watch(10, alive)
    assert monitoring.status(dead) == dg.DagsterRunStatus.FAILURE
    assert monitoring.status(alive) == STARTED


def test_after_an_outage_of_a_minute_a_run_has_time_for_its_next_sign(monitoring: Monitoring, clock: Seconds) -> None:
    run = started(monitoring, "batch_0")
    write_heartbeat(monitoring.instance, run)
    monitoring.watch(20)
    clock.now += 60
    monitoring.watch(20)
    assert monitoring.status(run) == STARTED


def test_a_run_leaves_its_first_sign_at_once(monitoring: Monitoring) -> None:
    run = started(monitoring, "batch_0")
    assert last_heartbeat(monitoring.instance, run) is None
    with heartbeat(monitoring.instance, run):
        pass
    assert last_heartbeat(monitoring.instance, run)


def test_a_run_that_its_pool_has_overlooked_does_not_wait_until_its_time_limit(monitoring: Monitoring) -> None:
    storage: Any = monitoring.instance.event_log_storage
    pool = "medusa_categories"
    first, second = started(monitoring, "batch_0"), started(monitoring, "batch_1")
    storage.set_concurrency_slots(pool, 1)
    assert storage.claim_concurrency_slot(pool, first.run_id, pool).is_claimed
    # The second asks whether a slot is free, and the first leaves before the second has joined the queue.
    free = storage.has_unassigned_slots(pool)
    storage.free_concurrency_slot_for_step(first.run_id, pool)
    storage.add_pending_step(pool, second.run_id, pool, should_assign=free)
    assert not storage.claim_concurrency_slot(pool, second.run_id, pool).is_claimed
    with heartbeat(monitoring.instance, second):
        wait_for("a slot", lambda: storage.claim_concurrency_slot(pool, second.run_id, pool).is_claimed, 10)
    assert not storage.claim_concurrency_slot(pool, first.run_id, pool).is_claimed


def test_a_whole_run_leaves_signs(monitoring: Monitoring) -> None:
    runner = Runner()
    runner.instance = monitoring.instance
    done = runner.job("expire_otps")
    assert done.success
    run = monitoring.instance.get_run_by_id(done.result.run_id)
    assert run
    assert last_heartbeat(monitoring.instance, run)
