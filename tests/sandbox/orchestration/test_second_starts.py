"""The run coordinator: what happens to a run between its start and the queue, whoever starts it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster_shared.record import copy

from erp_medusa_pipelines.orchestration.runs.work import ATTEMPT_TAG, DUPLICATE_OF_TAG, RETRY_OF_TAG, at_work_on
from tests.support.operations import Daemon, our_daemon

ROOT = Path(__file__).resolve().parents[3]
JOB = "export_items_and_images_custom"
ASSET_PAGE = "__ASSET_JOB"
QUEUED, CANCELED = dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.CANCELED


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Daemon]:
    shop_env.setenv("EXPORT_BATCHES", "2")
    with our_daemon(tmp_path) as made:
        yield made


def submit(daemon: Daemon, *start: Any, **options: Any) -> dg.DagsterRun:
    """Start a run as the webserver and the daemon do."""
    run = daemon.created(*start, **options)
    # The queue asks nothing of the workspace; only launching a run does.
    return daemon.instance.submit_run(run.run_id, None)  # pyright: ignore[reportArgumentType]


def why(daemon: Daemon, run: dg.DagsterRun) -> str:
    return " ".join(record.message for record in daemon.instance.all_logs(run.run_id))


@pytest.mark.long
def test_a_second_start_of_the_same_batch_does_nothing_and_says_why(daemon: Daemon) -> None:
    first = submit(daemon, JOB, "batch_0")
    second = submit(daemon, JOB, "batch_0")
    assert (first.status, second.status) == (QUEUED, CANCELED)
    assert f"run {first.run_id} is already working on {JOB} for batch_0" in why(daemon, second)


@pytest.mark.long
def test_other_batches_start(daemon: Daemon) -> None:
    assert submit(daemon, JOB, "batch_0").status == QUEUED
    assert submit(daemon, JOB, "batch_1").status == QUEUED


def test_a_start_from_an_assets_page_is_a_second_start_too(daemon: Daemon) -> None:
    first = submit(daemon, ASSET_PAGE, "batch_0", assets=["medusa_products"])
    again = submit(daemon, ASSET_PAGE, "batch_0", assets=["medusa_products"])
    whole = submit(daemon, JOB, "batch_0")
    part = submit(daemon, ASSET_PAGE, "batch_0", assets=["medusa_images"])
    assert (first.status, again.status) == (QUEUED, CANCELED)
    assert whole.status == QUEUED, "the whole job does more than the one asset"
    assert part.status == CANCELED, "the whole job does that already"


@pytest.mark.long
def test_when_the_first_has_ended_the_next_may_start(daemon: Daemon) -> None:
    first = submit(daemon, JOB, "batch_0")
    daemon.instance.report_run_failed(first)
    assert submit(daemon, JOB, "batch_0").status == QUEUED


@pytest.mark.long
def test_of_two_starts_at_the_same_moment_one_continues(daemon: Daemon) -> None:
    runs = [daemon.created(JOB, "batch_0") for _ in range(2)]
    # Both exist before either is submitted, and the later one comes first.
    ended = [daemon.instance.submit_run(run.run_id, None).status for run in reversed(runs)]  # pyright: ignore
    assert ended == [CANCELED, QUEUED]


@pytest.mark.parametrize("asset", ["medusa_products", "medusa_images"])
def test_a_run_from_an_assets_page_has_its_tasks_queue_and_time_limit(daemon: Daemon, asset: str) -> None:
    run = submit(daemon, ASSET_PAGE, "batch_0", assets=[asset])
    assert (run.tags["queue"], run.tags["dagster/max_runtime"]) == ("long", "28800")


def test_tags_that_an_operator_set_are_kept(daemon: Daemon) -> None:
    tags = {"dagster/max_runtime": "60"}
    run = submit(daemon, ASSET_PAGE, "batch_0", assets=["medusa_products"], **tags)
    assert (run.tags["queue"], run.tags["dagster/max_runtime"]) == ("long", "60")


@pytest.mark.long
def test_a_tick_starts_nothing_that_is_going_on_and_says_so(daemon: Daemon) -> None:
    moment = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
    first = submit(daemon, JOB, "batch_0")
    requests, _ = daemon.schedule(f"{JOB}_schedule", moment)
    assert [request.partition_key for request in requests] == ["batch_1"]
    submit(daemon, JOB, "batch_1")
    requests, skipped = daemon.schedule(f"{JOB}_schedule", moment)
    assert not requests
    assert first.run_id in skipped


@pytest.mark.long
def test_a_refused_start_is_distinguished_from_a_canceled_run(daemon: Daemon) -> None:
    first = submit(daemon, JOB, "batch_0")
    refused = submit(daemon, JOB, "batch_0")
    assert refused.tags["not_started"] == f"run {first.run_id[:8]} does it"
    daemon.instance.report_run_canceled(first)
    canceled = daemon.instance.get_run_by_id(first.run_id)
    assert canceled
    assert "not_started" not in canceled.tags


def test_the_same_work_with_another_run_config_waits_its_turn(daemon: Daemon) -> None:
    allowed = {"ops": {"medusa_stock": {"config": {"allow_zero": True}}}}
    stock = "update_webitem_stock"
    assert submit(daemon, stock, "batch_0").status == QUEUED
    assert submit(daemon, stock, "batch_0", run_config=allowed).status == QUEUED
    assert submit(daemon, stock, "batch_0", run_config=allowed).status == CANCELED


@pytest.mark.long
def test_a_run_of_a_backfill_waits_for_the_batch_that_is_at_work(daemon: Daemon) -> None:
    assert submit(daemon, JOB, "batch_0").status == QUEUED
    assert submit(daemon, JOB, "batch_0", **{"dagster/backfill": "abcdefgh"}).status == QUEUED


def test_housekeeping_does_not_start_twice_either(daemon: Daemon) -> None:
    assert submit(daemon, "prune_runs").status == QUEUED
    assert submit(daemon, "prune_runs").status == CANCELED


@pytest.mark.long
def test_every_run_of_a_batch_bears_its_name_for_the_limit_however_it_was_started(daemon: Daemon) -> None:
    """Dagster's runs of a backfill with a policy name their partition as a range of one."""
    one = {"dagster/asset_partition_range_start": "batch_1", "dagster/asset_partition_range_end": "batch_1"}
    assert submit(daemon, JOB, "batch_0").tags["batch"] == "batch_0"
    assert submit(daemon, ASSET_PAGE, assets=["medusa_products"], **one).tags["batch"] == "batch_1"
    several = {**one, "dagster/asset_partition_range_start": "batch_0"}
    assert "batch" not in submit(daemon, ASSET_PAGE, assets=["medusa_products"], **several).tags
    assert "batch" not in submit(daemon, "fetch_clearance_items").tags


def test_a_wrong_name_of_the_batch_is_put_right(daemon: Daemon) -> None:
    wrong: dict[str, Any] = {"batch": "batch_1"}
    assert submit(daemon, JOB, "batch_0", **wrong).tags["batch"] == "batch_0"


def checked(daemon: Daemon, name: str) -> dg.DagsterRun:
    """A run as *Execute* on one check in the UI starts it."""
    like = daemon.created(ASSET_PAGE, assets=["expired_otps"], status=CANCELED)
    chosen = frozenset({dg.AssetCheckKey(dg.AssetKey("installation"), name)})
    fields = {"run_id": str(uuid4()), "asset_selection": None, "asset_check_selection": chosen, "tags": {}}
    run = daemon.instance.add_run(copy(like, status=dg.DagsterRunStatus.NOT_STARTED, **fields))
    return daemon.instance.submit_run(run.run_id, None)  # pyright: ignore[reportArgumentType]


@pytest.mark.long
def test_a_check_that_somebody_executes_is_a_short_run_of_its_own(daemon: Daemon) -> None:
    runs = [checked(daemon, name) for name in ("shop_is_ready", "schedules_are_on")]
    assert [run.status for run in runs] == [QUEUED] * 2
    assert (runs[0].tags["queue"], runs[0].tags["dagster/max_runtime"]) == ("short", "300")
    assert not at_work_on(daemon.instance, ["batch_0"])
    assert submit(daemon, JOB, "batch_0").status == QUEUED


@pytest.mark.long
def test_a_retry_that_a_person_executes_again_begins_to_count_anew(daemon: Daemon) -> None:
    """The UI copies the tags."""
    copied: dict[str, Any] = {ATTEMPT_TAG: "6", RETRY_OF_TAG: "a", "dagster/parent_run_id": "b"}
    again = submit(daemon, JOB, "batch_0", **copied)
    assert (again.tags[ATTEMPT_TAG], again.tags[RETRY_OF_TAG]) == ("", "")


def test_a_backfills_batch_and_a_schedules_are_the_same_work(daemon: Daemon) -> None:
    one = {"dagster/asset_partition_range_start": "batch_0", "dagster/asset_partition_range_end": "batch_0"}
    first = submit(daemon, ASSET_PAGE, assets=["medusa_products"], **one)
    second = submit(daemon, ASSET_PAGE, "batch_0", assets=["medusa_products"])
    assert (first.status, second.status) == (QUEUED, CANCELED)


@pytest.mark.long
def test_a_refused_run_that_is_executed_again_is_a_run_of_its_own(daemon: Daemon) -> None:
    """The UI copies the tags of the run that it executes again."""
    first = submit(daemon, JOB, "batch_0")
    refused = submit(daemon, JOB, "batch_0")
    daemon.instance.report_run_failed(first)
    own = {key: value for key, value in refused.tags.items() if not key.startswith("dagster/")}
    again = submit(daemon, JOB, "batch_0", **own)
    assert again.status == QUEUED
    assert not again.tags[DUPLICATE_OF_TAG]
    assert not again.tags["not_started"]
