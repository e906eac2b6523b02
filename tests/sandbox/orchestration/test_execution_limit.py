"""The execution limit: only scheduled executions count, and the last one stops the schedule for good."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.runs.retention import prune
from tests.support.operations import Daemon
from tests.support.runs import Runner

JOB = "export_items_and_images_custom"
SCHEDULE = f"{JOB}_schedule"
NIGHT = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch) -> Iterator[Daemon]:
    shop_env.setenv("EXECUTION_LIMITS", f'{{"{JOB}": 2}}')
    with dg.instance_for_test() as instance:
        runner = Runner()
        runner.instance = instance
        daemon = Daemon(runner)
        daemon.turn_on_schedule(SCHEDULE, "0 1 * * *")
        yield daemon


def nights(daemon: Daemon, *numbers: int) -> list[int]:
    """How many runs each night starts."""
    return [len(daemon.schedule(SCHEDULE, NIGHT + timedelta(days=number))[0]) for number in numbers]


def test_after_its_number_of_executions_the_schedule_is_off(daemon: Daemon) -> None:
    assert nights(daemon, 0, 1) == [1, 1]
    assert daemon.is_on(SCHEDULE)
    requests, why = daemon.schedule(SCHEDULE, NIGHT + timedelta(days=2))
    assert not requests
    assert f"{JOB} was started 2 times" in why
    assert not daemon.is_on(SCHEDULE)


def test_turning_it_on_again_is_not_enough(daemon: Daemon) -> None:
    nights(daemon, 0, 1, 2)
    daemon.turn_on_schedule(SCHEDULE, "0 1 * * *")
    assert daemon.is_on(SCHEDULE)
    assert nights(daemon, 3) == [0]
    assert not daemon.is_on(SCHEDULE)


@pytest.mark.long
def test_runs_by_hand_and_skipped_ticks_do_not_count(daemon: Daemon) -> None:
    for _ in range(3):
        daemon.runner.job(JOB, "batch_0")
    running = daemon.queued(JOB, "batch_0")
    assert nights(daemon, 0, 1, 2) == [0, 0, 0]
    daemon.instance.report_run_canceled(running)
    assert nights(daemon, 3, 4, 5) == [1, 1, 0]


def test_a_tick_that_is_repeated_after_a_crash_counts_once(daemon: Daemon) -> None:
    assert nights(daemon, 0, 1, 1, 1, 2) == [1, 1, 1, 1, 0]


@pytest.mark.long
def test_pruning_does_not_give_executions_back(daemon: Daemon) -> None:
    nights(daemon, 0)
    for _ in range(2):
        daemon.created(JOB, "batch_0", status=dg.DagsterRunStatus.SUCCESS)
    assert prune(daemon.instance, [JOB], datetime.now(UTC) + timedelta(days=1)) == 1
    assert nights(daemon, 1, 2) == [1, 0]


def test_an_operator_starts_the_count_anew(daemon: Daemon) -> None:
    nights(daemon, 0, 1, 2)
    config = {"ops": {"forget_executions": {"config": {"task": JOB}}}}
    assert daemon.runner.job("reset_execution_limit", run_config=config).success
    assert nights(daemon, 3, 4, 5) == [1, 1, 0]


def test_a_misspelt_task_is_refused_by_name(daemon: Daemon) -> None:
    config = {"ops": {"forget_executions": {"config": {"task": "export"}}}}
    run = daemon.runner.job("reset_execution_limit", run_config=config)
    assert not run.success
    assert "There is no task 'export'" in run.failure_text("forget_executions")
