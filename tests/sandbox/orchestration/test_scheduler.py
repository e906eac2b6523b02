"""Every schedule under Dagster's own scheduler and the project's own instance file: what it starts and reports.

Ticks as the scheduler makes them, on a clock in the test's hand.
"""

import logging
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

from erp_medusa_pipelines.orchestration.schedules.crontab import EVERY_MINUTE, times_after
from erp_medusa_pipelines.tasks import HOUSEKEEPING, TASKS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CODE = ModuleTarget("erp_medusa_pipelines.definitions", "defs", working_directory=None, location_name="shop")
EVENING = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
INSTANCE_FILE = Path(__file__).resolve().parents[3] / "dagster.yaml"
STOCK = "update_webitem_stock"
PARTITIONED = [task.name for task in TASKS if task.partitioned]
UNDIVIDED = [task.name for task in TASKS if not task.partitioned and not task.gate]
EVERY_TASK = [task.name for task in (*TASKS, *HOUSEKEEPING)]


class Scheduler:
    """The daemon's scheduler over the code location, and what an operator sees of it."""

    def __init__(self, workspace: WorkspaceProcessContext) -> None:
        self.workspace = workspace
        self.instance = workspace.instance
        location = workspace.create_request_context().code_locations[0]
        self.schedules = {
            schedule.name.removesuffix("_schedule"): schedule
            for repository in location.get_repositories().values()
            for schedule in repository.get_schedules()
        }

    def turn_on(self, *tasks: str, at: datetime) -> None:
        with freeze_time(at):
            for task in tasks:
                self.instance.start_schedule(self.schedules[task])

    def look(self, at: datetime) -> None:
        """One iteration of the scheduler."""
        with freeze_time(at):
            list(launch_scheduled_runs(self.workspace, logging.getLogger("scheduler"), at, iteration_times={}))

    def ticks(self, task: str) -> list[InstigatorTick]:
        """Oldest first."""
        schedule = self.schedules[task]
        return [*self.instance.get_ticks(schedule.get_remote_origin_id(), schedule.selector_id)][::-1]

    def runs(self, task: str) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(job_name=task)))

    def end_all_runs(self) -> None:
        """Mark each as successful."""
        for run in self.instance.get_runs():
            if not run.is_finished:
                self.instance.report_dagster_event(
                    dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
                )


@contextmanager
def scheduler_of(home: Path, environment: pytest.MonkeyPatch, batches: int) -> Iterator[Scheduler]:
    environment.setenv("EXPORT_BATCHES", str(batches))
    shutil.copy(INSTANCE_FILE, home / "dagster.yaml")
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        create_test_daemon_workspace_context(CODE, instance) as workspace,
    ):
        yield Scheduler(workspace)


class Killed(BaseException):
    """No error that anybody handles."""


@contextmanager
def killed_at_the_submission(number: int) -> Iterator[None]:
    submit = dg.DagsterInstance.submit_run
    begun: list[str] = []

    def submitted(self: dg.DagsterInstance, run_id: str, workspace: Any) -> dg.DagsterRun:
        begun.append(run_id)
        if len(begun) == number:
            raise Killed
        return submit(self, run_id, workspace)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dg.DagsterInstance, "submit_run", submitted)
        yield


def night(number: int) -> datetime:
    """A minute after the last nightly schedule of that night was due, by the cron lines of tasks.py."""
    evening = EVENING + timedelta(days=number - 1)
    nightly = [task.cron for task in (*TASKS, *HOUSEKEEPING) if task.cron != EVERY_MINUTE]
    return max(next(times_after(cron, evening)) for cron in nightly) + timedelta(minutes=1)


def errors(scheduler: Scheduler, tasks: Iterable[str]) -> list[str]:
    return [str(tick.error) for task in tasks for tick in scheduler.ticks(task) if tick.status == TickStatus.FAILURE]


@pytest.mark.parametrize("count", [1, 16])
def test_every_schedule_starts_its_runs_two_nights_in_a_row(
    count: int, shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    batches = [f"batch_{number}" for number in range(count)]
    with scheduler_of(tmp_path, shop_env, count) as scheduler:
        scheduler.turn_on(*EVERY_TASK, at=EVENING)
        for number in (1, 2):
            scheduler.look(night(number))
            assert errors(scheduler, EVERY_TASK) == []
            for task in PARTITIONED:
                started = [run.tags["dagster/partition"] for run in scheduler.runs(task)]
                assert sorted(started) == sorted(batches * number), task
            for task in UNDIVIDED:
                assert len(scheduler.runs(task)) == number, task
            scheduler.end_all_runs()


def test_a_tick_that_is_evaluated_again_after_a_crash_starts_nothing_twice(
    shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with scheduler_of(tmp_path, shop_env, 4) as scheduler:
        scheduler.turn_on(*PARTITIONED, at=EVENING)
        scheduler.look(night(1))
        before = {run.run_id for run in scheduler.instance.get_runs()}
        assert len(before) == 4 * len(PARTITIONED)
        for task in PARTITIONED:
            tick = scheduler.ticks(task)[-1]
            scheduler.instance.update_tick(tick.with_status(TickStatus.STARTED))
        scheduler.end_all_runs()
        scheduler.look(night(1) + timedelta(seconds=30))
        assert errors(scheduler, PARTITIONED) == []
        assert {run.run_id for run in scheduler.instance.get_runs()} == before


def test_a_tick_that_was_cut_off_is_finished_with_its_own_runs(shop_env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The daemon is killed when it has made the third run and not yet queued it. The others wait or work meanwhile."""
    with scheduler_of(tmp_path, shop_env, 4) as scheduler:
        scheduler.turn_on(STOCK, at=EVENING)
        with killed_at_the_submission(3), pytest.raises(Killed):
            scheduler.look(night(1))
        assert len(scheduler.runs(STOCK)) == 3
        scheduler.instance.update_tick(scheduler.ticks(STOCK)[-1].with_status(TickStatus.STARTED))
        scheduler.look(night(1) + timedelta(seconds=30))
        (tick,) = scheduler.ticks(STOCK)
        runs = scheduler.runs(STOCK)
        assert sorted(run.tags["dagster/partition"] for run in runs) == [f"batch_{number}" for number in range(4)]
        assert (tick.status, sorted(tick.run_ids)) == (TickStatus.SUCCESS, sorted(run.run_id for run in runs))
        assert {run.status for run in runs} == {dg.DagsterRunStatus.QUEUED}


def test_nights_that_were_missed_are_not_made_up_for(shop_env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with scheduler_of(tmp_path, shop_env, 4) as scheduler:
        scheduler.turn_on(*EVERY_TASK, at=EVENING)
        scheduler.look(night(5))
        assert errors(scheduler, EVERY_TASK) == []
        assert {task: len(scheduler.ticks(task)) for task in EVERY_TASK} == dict.fromkeys(EVERY_TASK, 1)


def test_the_cron_lines_of_the_settings_are_ticked(shop_env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shop_env.setenv("SCHEDULES", '{"update_webitem_stock": "0 */6 * * *"}')
    with scheduler_of(tmp_path, shop_env, 4) as scheduler:
        scheduler.turn_on("update_webitem_stock", at=EVENING)
        for hours in (1, 7, 13):
            scheduler.look(EVENING + timedelta(hours=hours))
            scheduler.end_all_runs()
        assert len(scheduler.runs("update_webitem_stock")) == 12
