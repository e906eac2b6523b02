"""The retry sensor and the check for failed batches, with failures that the embedded servers really cause."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.runs.work import ATTEMPT_TAG, DUPLICATE_OF_TAG, RETRY_OF_TAG
from erp_medusa_pipelines.tasks import task_named
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.operations import Clock, Daemon, our_daemon
from tests.support.runs import in_a_backfill
from tests.support.servers import ErpServer, MedusaServer
from tests.support.trade import Trade

JOB = "export_items_and_images_custom"
TASK = task_named(JOB)
SENSOR = "retry_failed_partitions"
CREATE = r"/admin/products/batch"
RANGE: dict[str, Any] = {
    "dagster/asset_partition_range_start": "batch_0",
    "dagster/asset_partition_range_end": "batch_1",
}
OFFLINE = Fault("status", status=503, path=CREATE)


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch, erp: ErpServer, tmp_path: Path) -> Iterator[Daemon]:
    shop_env.setenv("RETRY_DELAY_SECONDS", "60")
    shop_env.setenv("RETRY_ATTEMPTS", "2")
    shop_env.setenv("EXPORT_BATCHES", "2")
    catalogue = Catalogue(erp.store)
    catalogue.items(8, catalogue.group("Gloves"))
    with our_daemon(tmp_path) as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def check_of(daemon: Daemon) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(dg.AssetKey("medusa_publication"), "no_partition_left_failed")
    (record,) = daemon.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    evaluation = record.event.dagster_event.event_specific_data  # pyright: ignore[reportOptionalMemberAccess]
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    return evaluation


@pytest.mark.long
def test_a_quiet_system_gives_no_runs_and_writes_nothing(daemon: Daemon) -> None:
    assert daemon.runner.job(JOB, "batch_0").success
    assert daemon.sensor(SENSOR) == ([], "nothing is left failed")


@pytest.mark.long
def test_a_failed_batch_is_run_again_after_the_delay_and_only_what_is_missing_of_it(
    daemon: Daemon, medusa: MedusaServer, clock: Clock
) -> None:
    medusa.faults.add(OFFLINE)
    failed = daemon.runner.job(JOB, "batch_0")
    assert not failed.success
    requests, why = daemon.sensor(SENSOR)
    assert not requests
    assert f"{JOB}[batch_0]: retry 1 of 2 at " in why
    clock.advance(seconds=61)
    ((request,), _) = daemon.sensor(SENSOR)
    assert (request.job_name, request.partition_key) == (JOB, "batch_0")
    # What comes before the products was complete; what builds on the missing products runs again with them.
    selected = [key.to_user_string() for key in request.asset_selection or []]
    complete = ("medusa_categories", "medusa_collections", "medusa_customer_groups", "medusa_price_lists")
    assert selected == [asset for asset in TASK.assets if asset not in complete]
    assert request.tags[RETRY_OF_TAG] == failed.result.run_id
    assert request.tags["queue"] == "long"
    medusa.faults.heal()
    assert daemon.run(request).success
    assert daemon.sensor(SENSOR) == ([], "nothing is left failed")


@pytest.mark.long
def test_what_another_task_made_meanwhile_without_the_products_runs_again_with_them(
    daemon: Daemon, erp: ErpServer, clock: Clock
) -> None:
    """The prices' own task ran between a killed export and its retry: prices of products to come were left out."""
    for row in erp.store.rows("Item"):
        price = {"item_code": row["name"], "uom": row["stock_uom"], "price_list_rate": 2.5}
        erp.store.insert("Item Price", name=f"PRICE-{row['name']}", price_list=PRICE_LIST, currency="OMR", **price)
    # The process is gone: no step has failed.
    daemon.instance.report_run_failed(daemon.created(JOB, "batch_0"))
    assert daemon.runner.job("sync_missing_prices_to_medusa", "batch_0").success
    clock.advance(seconds=61)
    ((request,), _) = daemon.sensor(SENSOR)
    retried = daemon.run(request)
    assert retried.metadata("medusa_prices")["written"] == retried.metadata("medusa_products")["written"] > 0


@pytest.mark.long
def test_two_ticks_for_one_failed_run_ask_for_the_same_run(daemon: Daemon, medusa: MedusaServer, clock: Clock) -> None:
    medusa.faults.add(OFFLINE)
    daemon.runner.job(JOB, "batch_0")
    clock.advance(minutes=2)
    ((first,), _) = daemon.sensor(SENSOR)
    # As after a restart of the daemon: nothing but the storage is remembered.
    ((second,), _) = Daemon(daemon.runner).sensor(SENSOR)
    assert first.run_key == second.run_key


@pytest.mark.long
def test_the_delay_doubles_and_after_the_last_attempt_the_batch_stays_failed(
    daemon: Daemon, medusa: MedusaServer, clock: Clock
) -> None:
    medusa.faults.add(OFFLINE)
    daemon.runner.job(JOB, "batch_0")
    keys = []
    for attempt, seconds in ((1, 61), (2, 121)):
        # Wide margins: the clock goes on by itself while the runs take their time.
        clock.advance(seconds=seconds - 31)
        assert not daemon.sensor(SENSOR)[0]
        clock.advance(seconds=31)
        ((request,), _) = daemon.sensor(SENSOR)
        assert request.tags[ATTEMPT_TAG] == str(attempt)
        keys.append(request.run_key)
        clock.ahead *= 0
        assert not daemon.run(request).success
    assert len(set(keys)) == 2
    clock.advance(days=1)
    requests, why = daemon.sensor(SENSOR)
    assert not requests
    assert "failed again after 2 retries" in why
    evaluation = check_of(daemon)
    assert not evaluation.passed
    assert evaluation.metadata["left_failed"].value == 1


@pytest.mark.long
def test_a_failure_that_no_retry_can_mend_is_left_alone(daemon: Daemon, medusa: MedusaServer, clock: Clock) -> None:
    medusa.faults.add(Fault("status", status=401, json={"type": "unauthorized", "message": "Unauthorized"}))
    daemon.runner.job(JOB, "batch_0")
    clock.advance(days=1)
    requests, why = daemon.sensor(SENSOR)
    assert not requests
    assert "the failure is permanent" in why


@pytest.mark.long
def test_missing_settings_are_no_reason_to_retry(daemon: Daemon, shop_env: pytest.MonkeyPatch, clock: Clock) -> None:
    job = daemon.repository.get_job(JOB)
    # Taken away after the code was loaded: the run itself finds it missing.
    shop_env.delenv("MEDUSA_API_KEY")
    job.execute_in_process(partition_key="batch_0", instance=daemon.instance, raise_on_error=False)
    clock.advance(days=1)
    requests, why = daemon.sensor(SENSOR)
    assert not requests
    assert "permanent" in why


@pytest.mark.long
def test_a_pause_that_the_server_asked_for_is_kept(daemon: Daemon, medusa: MedusaServer, clock: Clock) -> None:
    medusa.faults.add(Fault("status", status=429, path=CREATE, headers={"Retry-After": "600"}))
    daemon.runner.job(JOB, "batch_0")
    clock.advance(seconds=590)
    assert not daemon.sensor(SENSOR)[0]
    clock.advance(seconds=20)
    assert len(daemon.sensor(SENSOR)[0]) == 1


@pytest.mark.long
def test_what_is_being_worked_on_is_left_alone(daemon: Daemon, medusa: MedusaServer, clock: Clock) -> None:
    medusa.faults.add(OFFLINE)
    daemon.runner.job(JOB, "batch_0")
    clock.advance(minutes=5)
    running = daemon.queued(JOB, "batch_0")
    assert daemon.sensor(SENSOR) == ([], "nothing is left failed")
    daemon.instance.report_run_canceled(running)
    requests, why = daemon.sensor(SENSOR)
    assert not requests, "an operator who cancels a run does not want it started again"
    assert f"{JOB}[batch_0]: stopped by hand" in why
    evaluation = check_of(daemon)
    assert not evaluation.passed
    assert evaluation.metadata["stopped_by_hand"].value == 1
    assert "materialize it again" in str(evaluation.metadata[f"{JOB}[batch_0]"].value)


@pytest.mark.long
def test_a_refused_second_start_does_not_hide_the_failure_of_the_first(
    daemon: Daemon, medusa: MedusaServer, clock: Clock
) -> None:
    medusa.faults.add(OFFLINE)
    failed = daemon.runner.job(JOB, "batch_0")
    refused = daemon.queued(JOB, "batch_0", **{DUPLICATE_OF_TAG: failed.result.run_id})
    daemon.instance.report_run_canceled(refused)
    clock.advance(minutes=5)
    ((request,), _) = daemon.sensor(SENSOR)
    assert request.tags[RETRY_OF_TAG] == failed.result.run_id


@pytest.mark.long
def test_a_run_by_hand_takes_the_batch_off_the_list(daemon: Daemon, medusa: MedusaServer, clock: Clock) -> None:
    medusa.faults.add(OFFLINE)
    daemon.runner.job(JOB, "batch_0")
    daemon.runner.job(JOB, "batch_1")
    clock.advance(minutes=5)
    assert len(daemon.sensor(SENSOR)[0]) == 2
    medusa.faults.heal()
    missing = [asset for asset in TASK.assets if asset != "medusa_collections"]
    assert daemon.runner.assets(missing, "batch_0").success
    ((request,), _) = daemon.sensor(SENSOR)
    assert request.partition_key == "batch_1"
    assert daemon.run(request).success
    assert daemon.sensor(SENSOR) == ([], "nothing is left failed")
    assert check_of(daemon).passed


@pytest.mark.long
def test_an_asset_without_batches_is_retried_too(daemon: Daemon, medusa: MedusaServer, clock: Clock) -> None:
    medusa.faults.add(Fault("status", status=503, path="collections"))
    assert not daemon.runner.asset("medusa_collections").success
    clock.advance(minutes=5)
    ((request,), _) = daemon.sensor(SENSOR)
    assert request.partition_key is None
    assert [key.to_user_string() for key in request.asset_selection or []] == ["medusa_collections"]
    medusa.faults.heal()
    assert daemon.run(request).success
    assert daemon.sensor(SENSOR) == ([], "nothing is left failed")


@pytest.mark.long
def test_a_number_of_attempts_that_is_none_stops_no_retry(daemon: Daemon, medusa: MedusaServer, clock: Clock) -> None:
    medusa.faults.add(OFFLINE)
    runs = {batch: daemon.runner.job(JOB, batch).result.run_id for batch in ("batch_0", "batch_1")}
    # Something that is no number, as only a foreign hand can leave it there.
    daemon.instance.add_run_tags(runs["batch_0"], {ATTEMPT_TAG: "second"})
    clock.advance(minutes=5)
    assert {request.tags[ATTEMPT_TAG] for request in daemon.sensor(SENSOR)[0]} == {"1"}
    assert len(daemon.sensor(SENSOR)[0]) == 2


@pytest.mark.long
def test_a_batch_that_does_not_exist_any_more_is_nothing_to_retry(
    daemon: Daemon, medusa: MedusaServer, clock: Clock, shop_env: pytest.MonkeyPatch
) -> None:
    medusa.faults.add(OFFLINE)
    daemon.runner.job(JOB, "batch_0")
    daemon.runner.job(JOB, "batch_1")
    shop_env.setenv("EXPORT_BATCHES", "1")
    clock.advance(minutes=5)
    ((request,), _) = Daemon(daemon.runner).sensor(SENSOR)
    assert request.partition_key == "batch_0"
    assert check_of(daemon).metadata["left_failed"].value == 1


@pytest.mark.long
def test_a_failed_run_over_a_range_of_batches_is_retried_batch_by_batch(
    daemon: Daemon, medusa: MedusaServer, clock: Clock
) -> None:
    assert daemon.runner.asset("medusa_collections").success
    failed = daemon.created(
        "__ASSET_JOB",
        assets=["medusa_products"],
        **RANGE,
    )
    daemon.instance.report_run_failed(failed)
    clock.advance(minutes=5)
    requests, _ = daemon.sensor(SENSOR)
    assert {request.partition_key for request in requests} == {"batch_0", "batch_1"}
    for request in requests:
        assert daemon.run(request).success
    assert daemon.sensor(SENSOR) == ([], "nothing is left failed")


def test_every_batch_of_a_backfill_is_a_run_of_its_own(daemon: Daemon) -> None:
    graph = daemon.repository.asset_graph
    batched = [key for key in graph.materializable_asset_keys if graph.get(key).is_partitioned]
    assert len(batched) == 6
    assert {graph.get(key).backfill_policy for key in batched} == {dg.BackfillPolicy.multi_run(1)}


@pytest.mark.long
def test_a_run_of_a_backfill_keeps_its_rejects_with_its_batch(daemon: Daemon, medusa: MedusaServer) -> None:
    """Its partition is in other tags than that of a run from a schedule."""
    medusa.faults.add(Fault("status", status=400, path=CREATE, json={"type": "invalid_data", "message": "no"}))
    assert daemon.runner.asset("medusa_collections").success
    result = daemon.repository.get_job("__ASSET_JOB").execute_in_process(
        instance=daemon.instance,
        asset_selection=[dg.AssetKey("medusa_products")],
        tags=in_a_backfill("batch_1"),
    )
    assert result.success
    assert state.load(daemon.instance, "quarantine/medusa_products/batch_1")
    assert not state.load(daemon.instance, "quarantine/medusa_products")


@pytest.mark.long
def test_a_frame_that_is_gone_is_made_again_by_the_retry(
    shop_env: pytest.MonkeyPatch, erp: ErpServer, tmp_path: Path, clock: Clock
) -> None:
    """Somebody cleaned the storage folder between two assets: retrying only the last one would always fail."""
    trade = Trade(erp.store)
    trade.item("A")
    trade.invoice(("A", 10))
    with our_daemon(tmp_path) as daemon:
        runner = daemon.runner
        assert runner.job("add_top_selling_items_to_collection").success
        for frame in Path(daemon.instance.storage_directory()).rglob("top_selling_items"):
            frame.unlink()
        assert not runner.asset("product_collection").success
        clock.advance(minutes=2)
        ((request,), _) = daemon.sensor(SENSOR)
        assert [key.to_user_string() for key in request.asset_selection or ()] == [
            "sales_by_item",
            "top_selling_items",
            "product_collection",
        ]
        assert daemon.run(request).success
