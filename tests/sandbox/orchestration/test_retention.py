"""What the nightly housekeeping deletes, and what it must not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration.runs.retention import prune, pruned_jobs
from erp_medusa_pipelines.orchestration.runs.work import DUPLICATE_OF_TAG
from tests.support.operations import Daemon
from tests.support.runs import Runner

MINUTE = "expire_otps"
LATER = timedelta(seconds=1)


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch) -> Iterator[Daemon]:
    with dg.instance_for_test() as instance:
        runner = Runner()
        runner.instance = instance
        yield Daemon(runner)


def ended(daemon: Daemon, job: str, status: dg.DagsterRunStatus, **tags: str) -> str:
    return daemon.created(job, status=status, run_config=None, **tags).run_id


def left(daemon: Daemon, *run_ids: str) -> list[bool]:
    return [daemon.instance.has_run(run_id) for run_id in run_ids]


def test_only_jobs_that_run_many_times_a_day_and_housekeeping_are_pruned() -> None:
    assert pruned_jobs() == [
        "sync_customer_groups",
        "send_quotation_emails",
        "expire_otps",
        "continue_weekly_newsletter",
        "prune_runs",
    ]


def test_good_runs_go_but_never_the_latest(daemon: Daemon) -> None:
    good = [ended(daemon, MINUTE, dg.DagsterRunStatus.SUCCESS) for _ in range(3)]
    bad = ended(daemon, MINUTE, dg.DagsterRunStatus.FAILURE)
    running = ended(daemon, MINUTE, dg.DagsterRunStatus.STARTED)
    assert prune(daemon.instance, [MINUTE], datetime.now(UTC) + LATER) == 2
    assert left(daemon, *good, bad, running) == [False, False, True, True, True]


def test_of_failed_runs_the_first_and_the_latest_stay(daemon: Daemon) -> None:
    failed = [ended(daemon, MINUTE, dg.DagsterRunStatus.FAILURE) for _ in range(5)]
    assert prune(daemon.instance, [MINUTE], datetime.now(UTC) + LATER) == 3
    assert left(daemon, *failed) == [True, False, False, False, True]


def test_young_runs_stay(daemon: Daemon) -> None:
    runs = [ended(daemon, MINUTE, dg.DagsterRunStatus.SUCCESS) for _ in range(2)]
    assert prune(daemon.instance, [MINUTE], datetime.now(UTC) - timedelta(days=7)) == 0
    assert left(daemon, *runs) == [True, True]


def test_refused_second_starts_go_and_what_an_operator_canceled_stays(daemon: Daemon) -> None:
    refused = ended(daemon, MINUTE, dg.DagsterRunStatus.CANCELED, **{DUPLICATE_OF_TAG: "other"})
    by_hand = ended(daemon, MINUTE, dg.DagsterRunStatus.CANCELED)
    assert prune(daemon.instance, [MINUTE], datetime.now(UTC) + LATER) == 1
    assert left(daemon, refused, by_hand) == [False, True]


@pytest.mark.long
def test_an_asset_keeps_its_last_materialization(daemon: Daemon) -> None:
    for _ in range(2):
        assert daemon.runner.job(MINUTE).success
    before = daemon.instance.get_latest_materialization_event(dg.AssetKey("expired_otps"))
    assert prune(daemon.instance, [MINUTE], datetime.now(UTC) + LATER) == 1
    after = daemon.instance.get_latest_materialization_event(dg.AssetKey("expired_otps"))
    assert before is not None
    assert after is not None
    assert after.run_id == before.run_id


def test_the_job_takes_the_age_from_the_settings_and_says_how_many(
    daemon: Daemon, shop_env: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        ended(daemon, MINUTE, dg.DagsterRunStatus.SUCCESS)
    shop_env.setenv("KEEP_MINUTE_RUNS_DAYS", "7")
    run = daemon.runner.job("prune_runs")
    assert run.success
    (output,) = [event for event in run.result.all_events if event.event_type_value == "STEP_OUTPUT"]
    assert output.step_output_data.metadata["deleted"].value == 0
