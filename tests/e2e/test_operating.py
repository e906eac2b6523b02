"""An operator's work on a running installation, through the UI and the API behind it."""

import os
import re
from collections.abc import Iterator

import pytest

from dev.deployment import Deployment, wait_for
from erp_medusa_pipelines.tasks import task_named
from tests.support.browser import Operator

JOB = "export_items_and_images_custom"
SCHEDULE = "expire_otps_schedule"
RETRIES = "retry_failed_partitions"
OFFLINE = {"action": "status", "status": 503, "path": "/admin/products/batch"}


@pytest.fixture(autouse=True)
def healed(production: Deployment) -> Iterator[None]:
    yield
    production.heal()


def is_red(deployment: Deployment, *batches: str) -> bool:
    return set(batches) <= set(deployment.partitions("medusa_products")["red"])


def is_green(deployment: Deployment, *batches: str) -> bool:
    return set(batches) <= set(deployment.partitions("medusa_products")["green"])


def toggle(production: Deployment, ui: Operator, kind: str, name: str, status: str) -> None:
    """The switch in the UI shows its new position before the server has stored it."""
    ui.toggle(kind, name)
    wait_for(f"{name} to be {status}", lambda: production.instigator(name)["status"] == status)


def test_all_is_off_until_somebody_turns_it_on(production: Deployment) -> None:
    for name in (SCHEDULE, f"{JOB}_schedule", "prune_runs_schedule", RETRIES, "alerts"):
        assert production.instigator(name)["status"] == "STOPPED"


def test_an_asset_is_materialized_from_its_page(production: Deployment, ui: Operator) -> None:
    ui.open_asset("medusa_collections")
    ui.materialize()
    run = wait_for("a run", lambda: production.runs(tags=[{"key": "dagster/from_ui", "value": "true"}]))[0]
    ended = production.ended(run["runId"])
    assert ended.status == "SUCCESS", ended.messages
    # Dagster's own job for this knows nothing of the task; the run still gets the queue and limit of the task.
    assert (ended.tags["queue"], ended.tags["dagster/max_runtime"]) == ("long", "28800")
    ui.open_asset("medusa_collections")
    ui.sees("items_per_second")
    ui.screenshot("materialized")


def test_a_schedule_is_toggled_and_ticks(production: Deployment, ui: Operator) -> None:
    toggle(production, ui, "schedules", SCHEDULE, "RUNNING")
    first = wait_for("a tick", lambda: production.instigator(SCHEDULE)["ticks"], 90)[-1]
    # The sample shop has expired passwords, so there is work.
    wait_for("the tick's end", lambda: production.instigator(SCHEDULE)["ticks"][-1]["status"] == "SUCCESS")
    run_id = production.instigator(SCHEDULE)["ticks"][-1]["runIds"][0]
    assert production.ended(run_id).status == "SUCCESS", first
    toggle(production, ui, "schedules", SCHEDULE, "STOPPED")
    ui.screenshot("schedule")


def test_a_second_start_by_hand_does_nothing_and_says_why(production: Deployment, ui: Operator) -> None:
    production.break_medusa(action="latency", seconds=20, path="/admin/products/batch", times=1)
    first = production.launch(JOB, "batch_0")
    second = production.run(production.launch(JOB, "batch_0"))
    assert second.status == "CANCELED"
    assert f"run {first} is already working on {JOB} for batch_0" in second.messages
    ui.open_run(second.run_id)
    ui.sees("Not started, nothing was changed")
    ui.screenshot("second_start")
    production.heal()
    assert production.ended(first).status == "SUCCESS"


def test_a_failed_batch_turns_red_and_the_sensor_makes_it_green(production: Deployment, ui: Operator) -> None:
    production.break_medusa(**OFFLINE)
    failed = production.ended(production.launch(JOB, "batch_1"))
    assert failed.status == "FAILURE"
    wait_for("batch_1 to be red", lambda: is_red(production, "batch_1"))
    ui.open_asset("medusa_products", "partitions")
    ui.sees("Failed (1)")
    ui.screenshot("red")
    production.heal()
    toggle(production, ui, "sensors", RETRIES, "RUNNING")
    wait_for("batch_1 to be green", lambda: is_green(production, "batch_1"), 120)
    toggle(production, ui, "sensors", RETRIES, "STOPPED")
    retried = [run for run in production.runs() if {"key": "dagster/sensor_name", "value": RETRIES} in run["tags"]]
    assert len(retried) == 1
    assert {"key": "erp_medusa_pipelines/retry_of", "value": failed.run_id} in retried[0]["tags"]
    ui.open_asset("medusa_products", "partitions")
    ui.sees("Failed (0)")
    ui.screenshot("green")


def test_failed_batches_are_backfilled_by_hand(production: Deployment, ui: Operator) -> None:
    production.break_medusa(**OFFLINE)
    for run_id in [production.launch(JOB, batch) for batch in ("batch_2", "batch_3")]:
        assert production.ended(run_id).status == "FAILURE"
    wait_for("both to be red", lambda: is_red(production, "batch_2", "batch_3"))
    production.heal()
    ui.open_asset("medusa_products", "partitions")
    ui.sees("Failed (2)")
    ui.backfill_failed()
    ui.screenshot("backfill")
    wait_for("both to be green", lambda: is_green(production, "batch_2", "batch_3"), 120)
    of_backfill = [run for run in production.runs() if any(tag["key"] == "dagster/backfill" for tag in run["tags"])]
    batches = [tag["value"] for run in of_backfill for tag in run["tags"] if tag["key"] == "batch"]
    assert sorted(batches) == ["batch_2", "batch_3"]


def test_a_red_batch_is_run_again_as_a_whole_from_its_jobs_page(production: Deployment, ui: Operator) -> None:
    """What docs/operating.md says: of a batch that failed early, no asset stays behind."""
    assets = [name for name in task_named(JOB).assets if production.batches(name)]
    assert len(assets) > 5
    # It has been exported before, so that only a look-up is sure to come.
    production.break_medusa(action="status", status=503, path="/admin/products")
    assert production.ended(production.launch(JOB, "batch_1")).status == "FAILURE"
    wait_for("batch_1 to be red", lambda: is_red(production, "batch_1"))
    production.heal()
    ui.run_batch(JOB, "batch_1")
    from_ui = [{"key": "dagster/from_ui", "value": "true"}, {"key": "dagster/partition", "value": "batch_1"}]
    (run,) = wait_for("the run", lambda: production.runs(tags=from_ui))
    ended = production.ended(run["runId"])
    assert ended.status == "SUCCESS", ended.messages
    assert {name: "batch_1" in production.partitions(name)["green"] for name in assets} == dict.fromkeys(assets, True)
    assert production.checks("medusa_products")["nothing_left"] == "SUCCEEDED"
    ui.open_asset("medusa_publication", "partitions")
    ui.sees("Failed (0)")


def test_a_backfill_that_meets_a_running_batch_waits_and_completes(production: Deployment) -> None:
    production.break_medusa(action="latency", seconds=15, path="/admin/products", times=1)
    running = production.launch(JOB, "batch_0")
    wait_for("the run", lambda: production.run(running).status == "STARTED")
    backfill = production.backfill(["medusa_products", "medusa_product_updates"], ["batch_0", "batch_1"])
    status = wait_for(
        "the backfill's end",
        lambda: (now := production.backfill_status(backfill)).startswith(("COMPLETED", "FAILED")) and now,
        120,
    )
    assert status == "COMPLETED_SUCCESS"
    assert production.ended(running).status == "SUCCESS"
    runs = production.runs(tags=[{"key": "dagster/backfill", "value": backfill}])
    assert [run["status"] for run in runs] == ["SUCCESS"] * 2


def test_a_run_that_hangs_is_ended_with_its_process(production: Deployment, ui: Operator) -> None:
    production.break_medusa(action="latency", seconds=600, path="/admin/(products|collections|product)")
    run_id = production.launch(JOB, "batch_0", tags={"dagster/max_runtime": "5", "dagster/max_retries": "0"})
    ended = production.ended(run_id)
    assert ended.status == "FAILURE"
    assert "Exceeded maximum runtime of 5 seconds" in ended.messages
    process = re.search(r"\(pid: (\d+)\)", ended.messages)
    assert process
    wait_for("the end of its process", lambda: not os.path.exists(f"/proc/{process[1]}"), 30)
    ui.open_run(run_id)
    ui.sees("Exceeded maximum runtime")
    ui.screenshot("hung")


def test_the_installation_checks_itself(production: Deployment) -> None:
    """With deploy/dagster.yaml all of it is in force; one schedule alone is noticed, with the others."""
    production.turn_on_sensor(RETRIES)
    wait_for("the checks", lambda: production.checks("installation")["instance_is_set_up"] == "SUCCEEDED", 60)
    production.turn_on_schedule("prune_runs_schedule")
    production.turn_on_schedule("update_webitem_stock_schedule")
    wait_for("the forgotten ones", lambda: production.checks("installation")["schedules_are_on"] == "FAILED", 60)
    production.turn_off_schedule("update_webitem_stock_schedule")
    wait_for("the all-clear", lambda: production.checks("installation")["schedules_are_on"] == "SUCCEEDED", 60)
    production.turn_off_schedule("prune_runs_schedule")
    production.turn_off_sensor(RETRIES)
